package webui_test

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPayerSeesWhatIsToBePaid(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	payer.open(w.url + "/pay?payee=books@shop&amount=12.50&order=1045&description=Two+books")
	payer.see("Tap your card")
	payer.see("¥12.50")
	payer.see("Book Shop")
	payer.press("City card")
	payer.see("Check before you send")
	payer.press("Send")
	payer.see("Enter the card’s PIN")
	if dir := os.Getenv("TAPLINE_SHOTS"); dir != "" {
		payer.shot(filepath.Join(dir, "pin.png"))
	}
	payer.enter(pin)
	payer.see("That PIN is wrong")
}

func TestReaderThatIsGoneCanBeNamedAnew(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	payer.open(w.url + "/pay?payee=books@shop&amount=12.50#reader=9." + "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	payer.see("The reader cannot be reached.")
	payer.press("Use a card reader on this computer")
	payer.fill("Reader code", "nonsense")
	payer.press("Use this reader")
	payer.see("That is not a reader code.")
}
