package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"tapline/api"
	"tapline/card/cardtest"
	"tapline/card/sun"
	"tapline/consent"
	"tapline/operator"
	"tapline/webui"
)

// demoCards are virtual cards that prove themselves, which the pages of a demo tap at the press of a button.
type demoCards struct {
	mu    sync.Mutex
	cards map[string]*demoCard
	order []string
	guide func(context.Context) (guide, error) // nil while the story goes on
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

// handle adds the cards, and the guide, to the pages.
func (d *demoCards) handle(mux *http.ServeMux) {
	webui.HandleDemo(mux)
	mux.HandleFunc("GET /demo/guide", func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		look := d.guide
		d.mu.Unlock()
		if look == nil {
			http.NotFound(w, r)
			return
		}
		g, err := look(r.Context())
		if err != nil {
			http.Error(w, "the service does not answer", http.StatusServiceUnavailable)
			return
		}
		answerJSON(w, g)
	})
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

// pagesCard issues a card for the pages, with money on it, and returns it with its activation code.
func (d *demo) pagesCard() (issued api.CardCode, err error) {
	const uid = "04C1D2E3F40580"
	issued, err = d.operator.IssueCard(d.ctx, api.NewCard{SUN: &api.NewSUN{UID: uid}, Label: "City card", Currency: "CNY"})
	if err != nil {
		return issued, err
	}
	if _, err := d.operator.TopUp(d.ctx, issued.Card.Account, api.NewTopUp{Amount: yuan(200_00), Note: "demo"}); err != nil {
		return issued, err
	}
	return issued, d.cards.add(uid, issued)
}

// guide is what the page that leads through the demo shows.
type guide struct {
	Activate string          `json:"activate"`
	Pay      string          `json:"pay"`
	Key      string          `json:"key"`
	Invite   string          `json:"invite"` // empty once it was used
	Done     map[string]bool `json:"done"`
}

// lead makes what the guide leads to, and serves it.
func (d *demo) lead() error {
	issued, err := d.pagesCard()
	if err != nil {
		return err
	}
	invite, err := d.operator.Invite(d.ctx, "whoever watches the demo")
	if err != nil {
		return err
	}
	d.cards.mu.Lock()
	defer d.cards.mu.Unlock()
	d.cards.guide = func(ctx context.Context) (g guide, err error) {
		g = guide{
			Activate: d.service.url + "/me#code=" + issued.Code,
			Pay: d.service.url + "/pay?" + url.Values{
				"payee": {d.shop.Handle}, "amount": {"12.50"}, "order": {"1045"}, "description": {"Two books"},
			}.Encode(),
			Key: d.shop.APIKey,
		}
		operators, err := d.operator.Operators(ctx)
		if err != nil {
			return g, err
		}
		if len(operators) == 1 {
			g.Invite = d.service.url + "/operator#invite=" + invite.Invite
		}
		g.Done, err = d.progress(ctx, consent.CardID(issued.Card.ID))
		return g, err
	}
	return nil
}

// progress is how far somebody has come with a card of the pages.
func (d *demo) progress(ctx context.Context, id consent.CardID) (map[string]bool, error) {
	card, err := d.operator.Card(ctx, id)
	if err != nil {
		return nil, err
	}
	found, err := d.operator.Payments(ctx, operator.Search{Card: id})
	if err != nil {
		return nil, err
	}
	done := map[string]bool{"activated": card.State != "issued"}
	for _, p := range found.Payments {
		done["instructed"] = true
		done["settled"] = done["settled"] || p.State == "settled"
		done["refunded"] = done["refunded"] || p.Refunded != nil
	}
	return done, nil
}

// invite says where to go on by hand.
func (d *demo) invite() error {
	if err := d.lead(); err != nil {
		return err
	}
	base := d.service.url
	d.title("Your turn, in a browser")
	d.note("open", "%s/demo", base)
	d.note("", "it leads through paying on a borrowed device, approving, giving money back, and looking at it all as an operator")
	d.note("more", "%s/  %s/docs  %s/openapi.json  %s/metrics", base, base, base, base)
	fmt.Fprintln(d.out)
	return nil
}
