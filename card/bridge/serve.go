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
	"strconv"
	"time"

	"tapline/card"
	"tapline/consent"
	"tapline/internal/strictjson"
)

// Request is what a page asks for.
type Request struct {
	Wait      time.Duration // at most MaxWait
	Challenge *Challenge    // nil if the card need not prove itself
}

// Challenge is what the service answers to POST /v1/tap-challenges, as it is: what a payment card is to sign.
type Challenge struct {
	ID                  consent.ChallengeID `json:"id"`
	UnpredictableNumber string              `json:"unpredictable_number"` // tag 9F37
	Amount              string              `json:"amount_authorised"`    // tag 9F02
	Currency            string              `json:"transaction_currency"` // tag 5F2A
	Country             string              `json:"terminal_country"`     // tag 9F1A
	ExpiresIn           int                 `json:"expires_in"`           // of no use to a reader
}

// Terminal is what the card is told. A card that is asked for no proof is told nothing in particular.
func (c *Challenge) Terminal() (card.Terminal, error) {
	if c == nil {
		return card.Terminal{}, nil
	}
	t := card.Terminal{Prove: true}
	raw, err := hex.DecodeString(c.UnpredictableNumber)
	if err != nil || len(raw) != len(t.UnpredictableNumber) || [4]byte(raw) == [4]byte{} {
		return t, errors.New("challenge.unpredictable_number: want eight hexadecimal digits, not all zero")
	}
	copy(t.UnpredictableNumber[:], raw)
	amount, ok := number(c.Amount, 12)
	currency, currencyOK := number(c.Currency, 4)
	country, countryOK := number(c.Country, 4)
	if !ok || !currencyOK || !countryOK || currency > 999 || country > 999 || amount == 0 || currency == 0 || country == 0 {
		return t, errors.New("challenge: want the amount in twelve digits, and currency and country in four")
	}
	t.Amount, t.Currency, t.Country = int64(amount), uint16(currency), uint16(country)
	return t, nil
}

// number reads a number of so many decimal digits.
func number(text string, digits int) (uint64, bool) {
	n, err := strconv.ParseUint(text, 10, 63)
	return n, err == nil && len(text) == digits && text[0] != '+'
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
	if err != nil {
		b.say("For a page of %s: %v", origin, err)
		if failTap(w, err) { // a broken reader is not told at each try
			b.waiter = ""
		}
		return
	}
	b.waiter = ""
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

// failTap answers for a tap that came to nothing, and tells whether the card is to blame. What is wrong with the reader is
// told at this computer only.
func failTap(w http.ResponseWriter, err error) bool {
	for _, p := range cardProblems {
		if errors.Is(err, p.err) {
			fail(w, http.StatusUnprocessableEntity, p.code, p.err.Error())
			return true
		}
	}
	fail(w, http.StatusServiceUnavailable, "reader_unavailable", "the reader does not work; tapline says more at the computer")
	return false
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
