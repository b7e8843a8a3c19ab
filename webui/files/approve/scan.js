// @ts-check
// Reading the other screen's digits with the camera, where the browser has a detector of codes. Nothing of the picture leaves
// this device, and the camera is on only while its picture is seen.
import { button, h } from '/ui/dom.js';
import { fromCamera } from '/ui/digits.js';
import { t } from '/ui/words.js';

/** @type {any} */
const detectors = globalThis;

/** Whether codes can be read here. */
export async function canScan() {
  if (!('BarcodeDetector' in detectors) || !navigator.mediaDevices?.getUserMedia) return false;
  return (await detectors.BarcodeDetector.getSupportedFormats().catch(() => [])).includes('qr_code');
}

const every = 150; // ms

/**
 * Looks for the digits of a payment until the signal aborts.
 * @param {string} payment @param {(digits: string) => void} found @param {() => void} back @param {AbortSignal} signal
 * @returns {Promise<HTMLElement>} what to show; throws if there is no camera, or it is refused
 */
export async function scan(payment, found, back, signal) {
  const camera = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' }, audio: false });
  const off = () => camera.getTracks().forEach((track) => track.stop());
  if (signal.aborted) off();
  signal.addEventListener('abort', off, { once: true });
  const video = h('video.camera', { playsinline: true, 'aria-label': t('approve.camera') });
  video.muted = true;
  video.srcObject = camera;
  const other = h('p.wrong', { role: 'status' });
  const detector = new detectors.BarcodeDetector({ formats: ['qr_code'] });
  const look = async () => {
    if (signal.aborted) return;
    const codes = await detector.detect(video).catch(() => []);
    for (const { rawValue } of codes) {
      const digits = await fromCamera(payment, rawValue);
      if (digits && !signal.aborted) return found(digits);
    }
    other.textContent = codes.length ? t('approve.other_code') : '';
    setTimeout(look, every);
  };
  video.play().then(look, () => {});
  return h('div.means', {}, h('p', {}, t('approve.scan_text')), video, other, button(t('approve.code_instead'), back, { kind: 'second' }));
}
