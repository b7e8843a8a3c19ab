// @ts-check
// Reading a QR code with the camera, where the browser can (Shape Detection API). Pictures stay on this device.
import { pause } from './api.js';
import { h } from './dom.js';

/** Whether this browser reads QR codes. */
export async function canScan() {
  // @ts-ignore: not in the type library
  const { BarcodeDetector } = globalThis;
  if (!BarcodeDetector || !navigator.mediaDevices) return false;
  return (await BarcodeDetector.getSupportedFormats().catch(() => [])).includes('qr_code');
}

/**
 * Shows what the camera sees until a QR code is taken. Throws where there is no camera or it may not be used.
 * @param {string} label of the picture @param {(text: string) => boolean} take whether a text is what was looked for
 * @param {AbortSignal} signal ends it, and the camera with it
 */
export async function scan(label, take, signal) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
  const stop = () => stream.getTracks().forEach((track) => track.stop());
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  const video = h('video.scan', { 'aria-label': label, playsinline: true });
  video.muted = true;
  video.srcObject = stream;
  look(video, take, signal).catch(() => {}).finally(stop); // it ends with the signal
  return video;
}

/** @param {HTMLVideoElement} video @param {(text: string) => boolean} take @param {AbortSignal} signal */
async function look(video, take, signal) {
  await video.play();
  // @ts-ignore: not in the type library
  const detector = new BarcodeDetector({ formats: ['qr_code'] });
  for (;;) {
    await pause(200, signal);
    const found = await detector.detect(video).catch(() => []);
    if (signal.aborted || found.some((/** @type {{rawValue: string}} */ { rawValue }) => take(rawValue))) return;
  }
}
