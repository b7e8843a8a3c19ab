package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"tapline/api"
	"tapline/card/cardtest"
	"tapline/card/sun"
)

// demoCards are virtual cards that prove themselves, which the pages of a demo tap at the press of a button.
type demoCards struct {
	mu    sync.Mutex
	cards map[string]*demoCard
	order []string
}

type demoCard struct {
	tag   cardtest.SUN
	label string
}

// add takes an issued card.
func (d *demoCards) add(uid string, issued api.CardCode) error {
	id, err := sun.ParseUID(uid)
	meta, metaErr := sun.ParseKey(issued.SUN.MetaKey)
	file, fileErr := sun.ParseKey(issued.SUN.FileKey)
	if err := errors.Join(err, metaErr, fileErr); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cards == nil {
		d.cards = map[string]*demoCard{}
	}
	d.cards[issued.Card.ID] = &demoCard{cardtest.SUN{UID: id, Meta: meta, File: file}, issued.Card.Label}
	d.order = append(d.order, issued.Card.ID)
	return nil
}

// handle adds the cards to the pages.
func (d *demoCards) handle(mux *http.ServeMux) {
	mux.HandleFunc("GET /demo/cards", func(w http.ResponseWriter, _ *http.Request) {
		type card struct {
			ID    string `json:"id"`
			Label string `json:"label"`
		}
		list := struct {
			Cards []card `json:"cards"`
		}{}
		d.mu.Lock()
		for _, id := range d.order {
			list.Cards = append(list.Cards, card{id, d.cards[id].label})
		}
		d.mu.Unlock()
		answerJSON(w, list)
	})
	mux.HandleFunc("POST /demo/cards/{id}/taps", func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		card, ok := d.cards[r.PathValue("id")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		answerJSON(w, map[string]any{"tap": map[string]string{"sun": card.tag.Tap()}})
	})
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

// pagesCard issues a card for the pages, with money on it, and returns its activation code.
func (d *demo) pagesCard() (code string, err error) {
	const uid = "04C1D2E3F40580"
	issued, err := d.operator.IssueCard(d.ctx, api.NewCard{SUN: &api.NewSUN{UID: uid}, Label: "City card", Currency: "CNY"})
	if err != nil {
		return "", err
	}
	if _, err := d.operator.TopUp(d.ctx, issued.Card.Account, api.NewTopUp{Amount: yuan(200_00), Note: "demo"}); err != nil {
		return "", err
	}
	return issued.Code, d.cards.add(uid, issued)
}

// invite says where to go on by hand.
func (d *demo) invite() error {
	code, err := d.pagesCard()
	if err != nil {
		return err
	}
	base := d.service.url
	pay := base + "/pay?" + url.Values{"payee": {d.shop.Handle}, "amount": {"12.50"}, "order": {"1045"}, "description": {"Two books"}}.Encode()
	d.title("Your turn, in a browser")
	d.note("phone", "one window is your phone: there you activate a virtual card with this code")
	d.note("", "%s/me#code=%s", base, code)
	d.note("payment", "open it in the same window, or in a private one to pay from a borrowed device")
	d.note("", "%s", pay)
	d.note("approve", "%s/approve", base)
	d.note("more", "%s/  %s/docs  %s/openapi.json  %s/metrics", base, base, base, base)
	fmt.Fprintln(d.out)
	return nil
}
