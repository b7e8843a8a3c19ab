package bench

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"tapline/api"
	"tapline/card/sun"
	"tapline/consent"
	"tapline/keyring"
)

// floor is the least that a service can do: it reads requests, verifies every signature in them, and answers what a real
// service once answered. It has neither processor nor database.
type floor struct {
	town     Town
	audience string
	party    consent.RelyingParty
	master   master
	devices  map[consent.DeviceID]consent.PublicKey
	passkeys [][]byte // by device
	answers  map[string][]byte
	flows    map[string]flow // by the ids of the payments that the answers are about
}

// newFloor makes the handler of a floor. Answers are those of a real service, by sampleKey.
func newFloor(t Town, keys *keyring.Keyring, origin string, answers map[string][]byte) (http.Handler, error) {
	party, err := consent.RelyingPartyOf(origin)
	if err != nil {
		return nil, err
	}
	f := &floor{
		town: t, audience: consent.Audience(origin, "test"), party: party, master: newMaster(keys), answers: answers,
		flows: map[string]flow{}, devices: map[consent.DeviceID]consent.PublicKey{}, passkeys: make([][]byte, t.Devices),
	}
	all, err := t.deviceKeys()
	if err != nil {
		return nil, err
	}
	for _, k := range all {
		f.devices[k.ID()] = k.Public()
	}
	if err := spread(t.Devices, func(i int) (err error) {
		f.passkeys[i], err = cose(&t.passkey(i).PublicKey)
		return err
	}); err != nil {
		return nil, err
	}
	for _, kind := range flowMixed.parts() {
		var view api.Payment
		if text := answers[sampleKey(kind, "instruct")]; text != nil {
			if err := json.Unmarshal(text, &view); err != nil {
				return nil, err
			}
			f.flows[view.ID] = kind
		}
	}
	return f.routes(), nil
}

// sampleKey names the answer to a step of a flow.
func sampleKey(f flow, step string) string { return string(f) + "/" + step }

func (f *floor) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, step := range []struct {
		name, path string
		typ        consent.Typ
		empty      func() consent.Message
	}{
		{"instruct", "", consent.TypInstruction, func() consent.Message { return &consent.Instruction{} }},
		{"authenticate", "/{id}/authentication", consent.TypAuthentication, func() consent.Message { return &consent.Authentication{} }},
		{"confirm", "/{id}/confirmation", consent.TypConfirmation, func() consent.Message { return &consent.Decision{} }},
		{"approve", "/{id}/approval", consent.TypApproval, func() consent.Message { return &consent.Decision{} }},
	} {
		mux.HandleFunc("POST /v1/payments"+step.path, f.signed(step.name, step.typ, step.empty))
	}
	for path, step := range map[string]string{"payments/{id}": "look", "payments/{id}/receipt": "receipt"} {
		mux.HandleFunc("GET /v1/"+path, func(w http.ResponseWriter, r *http.Request) {
			f.answer(w, sampleKey(f.flows[r.PathValue("id")], step), nil)
		})
	}
	mux.HandleFunc("GET /v1/payees/{handle}", func(w http.ResponseWriter, _ *http.Request) {
		f.answer(w, sampleKey(flowTap, "payee"), nil)
	})
	mux.HandleFunc("POST /v1/token", func(w http.ResponseWriter, r *http.Request) { f.answer(w, "token", f.token(r)) })
	return mux
}

// maxBody bounds a request's body, in bytes, as the service does.
const maxBody = 64 << 10

var errContent = errors.New("not a signed message")

// signed answers a step whose request is a signed message.
func (f *floor) signed(step string, typ consent.Typ, empty func() consent.Message) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err == nil && kind != api.ContentJWS {
			err = errContent
		}
		var body []byte
		if err == nil {
			body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		}
		m := empty()
		if err == nil {
			err = f.verify(string(body), typ, m)
		}
		of := f.flows[r.PathValue("id")]
		if in, ok := m.(*consent.Instruction); ok {
			of = flow(in.Order.Number)
		}
		f.answer(w, sampleKey(of, step), err)
	}
}

func (f *floor) verify(body string, typ consent.Typ, m consent.Message) error {
	e, err := consent.Read(body, typ)
	if err != nil {
		return err
	}
	if err := e.Verify(f.devices[e.Device()], f.audience, time.Now(), m); err != nil {
		return err
	}
	switch m := m.(type) {
	case *consent.Instruction:
		return f.tapped(m.Tap)
	case *consent.Decision:
		return f.gesture(m)
	}
	return nil
}

func (f *floor) tapped(t consent.Tap) error {
	m, err := sun.Format{}.Parse(string(t.SUN))
	if err != nil {
		return err
	}
	_, err = m.Verify(f.master.Meta(), f.master.File)
	return err
}

func (f *floor) gesture(m *consent.Decision) error {
	if m.Passkey == nil {
		return nil
	}
	id, err := m.Passkey.ID()
	if err != nil {
		return err
	}
	card := f.town.cardOf(id)
	if card < 0 {
		return consent.ErrPasskey
	}
	k := consent.Passkey{ID: id, PublicKey: f.passkeys[card%f.town.Devices]}
	_, err = f.party.Confirm(*m.Passkey, k, consent.CardID(f.town.card(card)), m.Statement)
	return err
}

func (f *floor) token(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	return f.verify(r.PostForm.Get("client_assertion"), consent.TypAssertion, &consent.TokenAssertion{})
}

// errSample is answered where there is no answer to give.
var errSample = errors.New("nothing of this kind was sampled")

func (f *floor) answer(w http.ResponseWriter, key string, err error) {
	if err == nil && len(f.answers[key]) == 0 {
		err = errSample
	}
	if err != nil {
		w.Header().Set("Content-Type", api.ContentProblem)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"status":400,"code":"floor_refused","title":"`+base64.RawURLEncoding.EncodeToString([]byte(err.Error()))+`"}`)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	status := http.StatusOK
	if strings.HasSuffix(key, "/instruct") {
		status = http.StatusCreated
	}
	w.WriteHeader(status)
	_, _ = w.Write(f.answers[key])
}
