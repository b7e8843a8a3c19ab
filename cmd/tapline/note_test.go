package main

import (
	"errors"
	"testing"
)

func TestANoteIsAboutWhatIsTyped(t *testing.T) {
	for typed, want := range map[string]string{
		"card_x": "card:card_x", "acc_x": "account:acc_x", "pay_x": "payment:pay_x", "books@shop": "payee:books@shop",
		"card:card_x": "card:card_x", "account:fees-CNY": "account:fees-CNY", "payee:books@shop": "payee:books@shop",
		"": "", "ord_x": "", "device:d": "", "card:": "", "Books@Shop": "", "fees-CNY": "",
	} {
		got, err := noteSubject(typed)
		if refused := errors.As(err, new(*usageError)); got != want || refused != (want == "") {
			t.Errorf("%q: got %q, %v, want %q", typed, got, err, want)
		}
	}
}
