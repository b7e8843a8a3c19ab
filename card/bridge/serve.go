package bridge

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"tapline/card"
	"tapline/internal/strictjson"
)

// Request is what a page asks for.
type Request struct {
	Wait      time.Duration // at most MaxWait
	Challenge *Challenge    // nil if the card need not prove itself
}

// Challenge is the service's, for a card that can answer it.
type Challenge struct {
	UnpredictableNumber string `json:"unpredictable_number"` // eight hexadecimal digits
	Amount              int64  `json:"amount"`               // minor units
	Currency            uint16 `json:"currency"`             // ISO 4217 numeric
	Country             uint16 `json:"country"`              // ISO 3166-1 numeric
}

// Terminal is what the card is told.
func (c *Challenge) Terminal() (card.Terminal, error) {
	if c == nil {
		return card.Terminal{}, nil
	}
	t := card.Terminal{Country: c.Country, Currency: c.Currency, Amount: c.Amount}
	raw, err := hex.DecodeString(c.UnpredictableNumber)
	if err != nil || len(raw) != len(t.UnpredictableNumber) || [4]byte(raw) == [4]byte{} {
		return t, errors.New("challenge.unpredictable_number: want eight hexadecimal digits, not all zero")
	}
	copy(t.UnpredictableNumber[:], raw)
	if c.Amount < 1 || c.Amount > 999_999_999_999 || c.Currency < 1 || c.Currency > 999 || c.Country < 1 || c.Country > 999 {
		return t, errors.New("challenge: want an amount of at most twelve digits, and numeric codes of currency and country")
	}
	return t, nil
}

// serveTap is POST /v1/tap.
func (b *Bridge) serveTap(w http.ResponseWriter, r *http.Request, origin string) {
	request, ok := b.request(w, r)
	if !ok {
		return
	}
	select {
	case b.slot <- struct{}{}:
		defer func() { <-b.slot }()
	default:
		w.Header().Set("Retry-After", "1")
		fail(w, http.StatusConflict, "busy", "another page waits for a tap")
		return
	}
	if b.waiter != origin { // and not the same page that asks again
		b.waiter = origin
		b.say("A page of %s waits for a tap.", origin)
	}
	tap, err := b.Reader.Tap(r.Context(), request)
	if r.Context().Err() != nil {
		b.waiter = ""
		b.say("The page of %s does not wait any more.", origin)
		fail(w, http.StatusServiceUnavailable, "ended", "the reader is being closed") // to a page that is there still
		return
	}
	if errors.Is(err, ErrNoTap) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	b.waiter = ""
	if err != nil {
		b.say("For a page of %s: %v", origin, err)
		failTap(w, err)
		return
	}
	b.say("A card (%s) was read for a page of %s.", tap.Scheme, origin)
	answer(w, http.StatusOK, "application/json", tap)
}

// request reads what a page asks for, and answers if it cannot be done.
func (b *Bridge) request(w http.ResponseWriter, r *http.Request) (request Request, ok bool) {
	// A form of any page can send text/plain and its like without asking first; JSON it cannot (Fetch §2.2.2).
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		fail(w, http.StatusUnsupportedMediaType, "unsupported_media_type", "this operation takes application/json")
		return request, false
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, "too_large", "the body is too long or too slow")
		return request, false
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // when it passes, the page seems to be gone
	body := struct {
		Wait      *int       `json:"wait,omitempty"`
		Challenge *Challenge `json:"challenge,omitempty"`
	}{}
	if err := strictjson.Decode(raw, &body); err != nil {
		fail(w, http.StatusBadRequest, "malformed", "the body is not what this operation takes")
		return request, false
	}
	request = Request{MaxWait, body.Challenge}
	if body.Wait != nil {
		request.Wait = time.Duration(*body.Wait) * time.Second
	}
	_, err = body.Challenge.Terminal()
	if err == nil && (request.Wait < time.Second || request.Wait > MaxWait) {
		err = fmt.Errorf("wait: want 1 to %d seconds", MaxWait/time.Second)
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "invalid_field", err.Error())
		return request, false
	}
	return request, true
}

// cardProblems are the codes of cards that cannot be read.
var cardProblems = []struct {
	err  error
	code string
}{
	{card.ErrRemoved, "card_removed"},
	{card.ErrBlocked, "card_blocked"},
	{card.ErrMalformed, "card_malformed"},
	{card.ErrNoApplication, "no_application"},
	{card.ErrNoAccount, "no_account"},
}

// failTap answers for a tap that came to nothing. What is wrong with the reader is told at this computer only.
func failTap(w http.ResponseWriter, err error) {
	for _, p := range cardProblems {
		if errors.Is(err, p.err) {
			fail(w, http.StatusUnprocessableEntity, p.code, p.err.Error())
			return
		}
	}
	fail(w, http.StatusServiceUnavailable, "reader_unavailable", "the reader does not work; tapline says more at the computer")
}

// serveReader is GET /v1/reader.
func (b *Bridge) serveReader(w http.ResponseWriter, r *http.Request, _ string) {
	ctx, cancel := context.WithTimeout(r.Context(), bodyLimit)
	defer cancel()
	readers, err := b.Reader.Readers(ctx)
	if err != nil {
		failTap(w, err)
		return
	}
	answer(w, http.StatusOK, "application/json", struct {
		Version string   `json:"version"`
		Waiting bool     `json:"waiting"` // a page waits for a tap
		Readers []Status `json:"readers"`
	}{b.Version, len(b.slot) > 0, append([]Status{}, readers...)})
}

// fail answers with a problem document (RFC 9457).
func fail(w http.ResponseWriter, status int, code, title string) {
	answer(w, status, "application/problem+json", struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Code   string `json:"code"`
	}{title, status, code})
}

func answer(w http.ResponseWriter, status int, kind string, v any) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the page went away
}
