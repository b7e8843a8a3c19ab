package main

import (
	"strings"
	"testing"

	"tapline/api"
	"tapline/card/cardtest"
	"tapline/card/sun"
)

// A card of this kind is lost: a blank one is written in its place, and pays on the same device with the same PIN.
func TestBlankCardIsWrittenInThePlaceOfALostOne(t *testing.T) {
	d := openDesk(t)
	d.lay(cardtest.NewNTAG424(blankUID))
	lost := decoded[finished](t, d.must("card", "personalise", "--label", "Campus card", "--json"))
	d.must("card", "activate", "--code-file", d.file("code", lost.Code), "--pin-file", d.dir+"/pin")
	d.take()
	d.must("account", "top-up", lost.Card.Account, "--amount", "20")
	d.must("card", "lost", lost.Card.ID, "--operator", "--note", "called")

	blank := cardtest.NewNTAG424(sun.UID{0x04, 0x95, 0x8C, 0xAA, 0x5C, 0x5E, 0x81})
	d.lay(blank)
	d.refused("card personalise --replaces "+lost.Card.ID, "card", "replace", lost.Card.ID, "--operator")
	d.refused("tapline card personalise", "card", "issue", "--label", "Campus card")
	d.refused("unknown_card", "card", "personalise", "--replaces", "card_"+strings.Repeat("A", 22))
	next := decoded[finished](t, d.must("card", "personalise", "--replaces", lost.Card.ID, "--json"))
	if next.Card.Account != lost.Card.Account || next.Card.Label != "Campus card" || next.Card.Replaces != lost.Card.ID {
		t.Errorf("not in the place of %s: %+v", lost.Card.ID, next.Card)
	}
	d.must("card", "replace", "--code-file", d.file("code", next.Code))
	paid := d.must("pay", "--amount", "5", "--payee", "books@shop", "--yes", "--pin-file", d.dir+"/pin")
	if !strings.Contains(paid, "paid 5.00 CNY") {
		t.Errorf("got %s", paid)
	}
	d.take()
	cards := decoded[api.Cards](t, d.must("card", "list", "--operator", "--json"))
	for _, c := range cards.Cards {
		if c.ID == lost.Card.ID && c.State != "closed" {
			t.Errorf("the lost card is %s", c.State)
		}
	}
	if left := d.unfinished(); len(left) > 0 {
		t.Errorf("something is kept: %v", left)
	}
}
