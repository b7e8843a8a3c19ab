package webui_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	_ "image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"tapline/internal/testenv"
)

// detector stands in for the detector of codes that Chromium has on phones: jsQR, which we did not write.
func detector(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(modules + "jsqr/dist/jsQR.js")
	testenv.Require(t, "npm", err == nil, "scripts/install-test-deps")
	return `{ const exports = {}, module = { exports };
	` + string(source) + `
	globalThis.readCode = module.exports.default ?? module.exports;
	globalThis.BarcodeDetector = class {
		static async getSupportedFormats() { return ['qr_code']; }
		async detect(video) {
			if (!video.videoWidth) return [];
			const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight), brush = canvas.getContext('2d');
			brush.drawImage(video, 0, 0);
			const { data, width, height } = brush.getImageData(0, 0, canvas.width, canvas.height);
			const found = readCode(data, width, height);
			return found ? [{ rawValue: found.data }] : [];
		}
	}; }`
}

// film is what a camera sees that looks at a picture (YUV4MPEG2).
func film(picture image.Image) []byte {
	const width, height = 320, 240
	var out bytes.Buffer
	fmt.Fprintf(&out, "YUV4MPEG2 W%d H%d F10:1 Ip A1:1 C420jpeg\nFRAME\n", width, height)
	bounds := picture.Bounds()
	left, top := (width-bounds.Dx())/2, (height-bounds.Dy())/2
	for y := range height {
		for x := range width {
			grey := color.Gray{Y: 200}
			if at := image.Pt(bounds.Min.X+x-left, bounds.Min.Y+y-top); at.In(bounds) {
				grey = color.GrayModel.Convert(picture.At(at.X, at.Y)).(color.Gray)
			}
			out.WriteByte(grey.Y)
		}
	}
	for range width * height / 2 {
		out.WriteByte(128)
	}
	return out.Bytes()
}

// TestApproverScansTheOtherScreen has a camera look at a picture of the payer's own screen.
func TestApproverScansTheOtherScreen(t *testing.T) {
	w := openWorld(t)
	seen := filepath.Join(t.TempDir(), "camera.y4m")
	in := browser(t, chromedp.Flag("use-fake-device-for-media-stream", true), chromedp.Flag("use-fake-ui-for-media-stream", true),
		chromedp.Flag("use-file-for-fake-video-capture", seen))
	phone, payer := newPerson(t, in, "phone"), newPerson(t, in, "payer")
	phone.always(detector(t))
	w.approver(phone)
	digits := payer.asks(w)
	payer.see(digits)
	ctx, cancel := context.WithTimeout(payer.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Screenshot(".qr.small"))
	w.must(err)
	picture, _, err := image.Decode(bytes.NewReader(text))
	w.must(err)
	w.must(os.WriteFile(seen, film(picture), 0o600))
	phone.see("Is this your payment?")
	phone.press("Scan the other screen")
	phone.until(`document.querySelector('input.digits')?.value === '`+digits+`'`, "has the digits "+digits)
	if got := w.balance(w.shop.Account); got != 0 {
		t.Error("it was approved before anybody pressed")
	}
	if on := eval[bool](phone, `Boolean(document.querySelector('video'))`); on {
		t.Error("the camera is still on")
	}
	phone.press("Approve CN¥12.50")
	phone.see("Approved")
	payer.see("Paid")
}

func TestWithoutDetectorOrCameraNothingIsOffered(t *testing.T) {
	w := openWorld(t)
	in := browser(t)
	phone, payer := newPerson(t, in, "phone"), newPerson(t, in, "payer")
	w.approver(phone)
	payer.asks(w)
	phone.see("Is this your payment?")
	if got := eval[string](phone, `document.body.innerText`); bytes.Contains([]byte(got), []byte("Scan")) {
		t.Error("a browser without a detector offers to scan")
	}
	phone.always(detector(t)) // but no camera
	phone.do(chromedp.Reload())
	phone.press("Scan the other screen")
	phone.see("The camera cannot be used")
	phone.see("Digits on the other device")
}

// TestSmallCodesCanBeRead has another's reader read codes of many texts.
func TestSmallCodesCanBeRead(t *testing.T) {
	w := openWorld(t)
	phone := newPerson(t, browser(t), "phone")
	phone.always(detector(t))
	phone.open(w.url + "/pay")
	phone.see("tapline")
	wrong := eval[[]string](phone, `(async () => {
		const { modules } = await import('/ui/qr.js'), { toCamera, fromCamera } = await import('/ui/digits.js');
		const wrong = [];
		const texts = ['', 'A', '0', 'AB', 'TAPLINE $%*+-./: 123', '00000000000000000000', 'ZZZZZZZZZZZZZZZZZZZ'];
		for (let n = 0; n < 60; n++) texts.push(await toCamera('pay_' + n, String(n * 7919 % 1000000).padStart(n % 2 ? 6 : 2, '0').slice(n % 2 ? -6 : -2)));
		for (const text of texts) {
			const grid = modules(text), scale = 6, size = 29 * scale, data = new Uint8ClampedArray(size * size * 4).fill(255);
			for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) {
				const dark = grid[Math.floor(y / scale) - 4]?.[Math.floor(x / scale) - 4];
				if (dark) data.fill(0, (y * size + x) * 4, (y * size + x) * 4 + 3);
			}
			const got = readCode(data, size, size)?.data;
			if (text && got !== text) wrong.push(text + ' is read as ' + got);
		}
		if (await fromCamera('pay_1', await toCamera('pay_1', '47')) !== '47') wrong.push('its own digits are not taken');
		for (const other of [await toCamera('pay_2', '47'), 'TL:47:00000000', '47', 'TL:4:' + (await toCamera('pay_1', '47')).slice(6), '']) {
			if (await fromCamera('pay_1', other) !== '') wrong.push('takes ' + other);
		}
		for (const bad of ['a', 'TOO LONG FOR A SMALL ONE', '\u00e9']) try { modules(bad); wrong.push('makes ' + bad); } catch { /* as it should */ }
		return wrong;
	})()`)
	for _, text := range wrong {
		t.Error(text)
	}
}
