package device_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/money"
)

const (
	origin  = "https://pay.example"
	account = consent.AccountNumber("6200000000000005")
)

var (
	books = api.Payee{Handle: "books@shop", Name: "Book Shop", Account: "•••• 4321", Currency: "CNY"}
	price = money.Amount{Minor: 1250, Currency: "CNY"}
	terms = consent.Order{Number: "1042", Description: "Two books"}
)

// service is as much of the service as a device's own rules need. Where it lies, lie says how.
type service struct {
	*http.ServeMux
	t    *testing.T
	key  *consent.DeviceKey
	lie  func(*consent.Statement)
	role consent.Role

	rehearses bool // knows rehearsals, as its payee does, and takes every payment for one
	lieView   func(*api.Payment)

	mu     sync.Mutex
	seen   []string // method and path
	bodies []string // what the requests carried, payloads of JWS decoded
}

func newService(t *testing.T) (*service, *device.Client) {
	t.Helper()
	key, err := consent.NewDeviceKey()
	if err != nil {
		t.Fatal(err)
	}
	s := &service{ServeMux: http.NewServeMux(), t: t, key: key, role: consent.First}
	s.HandleFunc("GET /v1/service", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, api.Service{Environment: "test", Audience: origin + "/test", Rehearsals: s.rehearses})
	})
	s.HandleFunc("POST /v1/token", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, api.Token{AccessToken: "token", TokenType: "Bearer", ExpiresIn: 300})
	})
	s.HandleFunc("GET /v1/payees/books@shop", func(w http.ResponseWriter, _ *http.Request) {
		payee := books
		payee.Rehearsals = s.rehearses
		answer(w, 200, payee)
	})
	s.HandleFunc("POST /v1/payments", s.instruct)
	s.HandleFunc("POST /v1/payments/{id}/confirmation", func(w http.ResponseWriter, r *http.Request) {
		view := s.view(r.PathValue("id"))
		now := time.Now()
		view.State, view.EndedAt, view.Statement, view.Next = "settled", &now, "", api.Next{Action: api.ActionDone}
		answer(w, 200, view)
	})
	return s, &device.Client{URL: origin, HTTP: &http.Client{Transport: s}, Key: key}
}

// RoundTrip answers a request in process.
func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
	}
	s.mu.Lock()
	s.seen = append(s.seen, r.Method+" "+r.URL.Path)
	s.bodies = append(s.bodies, r.URL.RawQuery+string(body))
	s.mu.Unlock()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result(), nil
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	if p, ok := v.(api.Problem); ok {
		w.Header().Set("Content-Type", api.ContentProblem)
		p.Status = status
		v = p
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// read reads a signed message.
func (s *service) read(r *http.Request, typ consent.Typ, m consent.Message) {
	body, _ := io.ReadAll(r.Body)
	e, err := consent.Read(string(body), typ)
	if err == nil {
		err = e.Verify(s.key.Public(), origin+"/test", time.Now(), m)
	}
	if err != nil {
		s.t.Errorf("%s: %v", r.URL.Path, err)
	}
}

func (s *service) instruct(w http.ResponseWriter, r *http.Request) {
	var m consent.Instruction
	s.read(r, consent.TypInstruction, &m)
	if m.Tap != (consent.Tap{Account: account}) && m.Tap != (consent.Tap{SUN: message}) || m.Amount != price || m.Payee != books.Handle || m.Device != s.key.ID() || m.Order != terms || m.Rehearsal != s.rehearses {
		s.t.Errorf("instruction %+v", m)
	}
	answer(w, 201, s.view(m.ID))
}

// view is a payment that waits for the first or second confirmation.
func (s *service) view(id string) api.Payment {
	st := s.statement(id)
	if s.lie != nil {
		s.lie(&st)
	}
	v := api.Payment{
		ID: id, Role: api.RoleInitiator, State: "confirmation_required", Version: 2, Amount: price, Payee: books,
		CardAccount: account.Masked(), Order: api.Order(terms), Statement: st.Text(), Next: api.Next{Action: api.ActionConfirm},
		Rehearsal: s.rehearses,
	}
	if s.role == consent.Second {
		v.Role, v.State, v.Next = api.RoleApprover, "approval_required", api.Next{Action: api.ActionApprove}
	}
	if s.lieView != nil {
		s.lieView(&v)
	}
	return v
}

func (s *service) statement(id string) consent.Statement {
	st := consent.Statement{
		Version: consent.VersionOf(s.rehearses), Payment: consent.PaymentID(id), Role: s.role, Rehearsal: s.rehearses,
		Amount: price, AmountText: consent.AmountText(price, s.rehearses),
		PayeeHandle: books.Handle, PayeeName: books.Name, PayeeAccount: "acc_0987654321",
		CardAccount: account.Masked(), CardLabel: "Campus card", Device: s.key.ID(), DeviceLabel: "Laptop",
		OrderNumber: terms.Number, OrderText: terms.Description, OrderHash: consent.OrderHash(terms, price, books.Handle),
		Nonce: "1.aaaaaaaaaaaaaaaaaaaaaa", ExpiresAt: consent.At(time.Now().Add(time.Minute)),
	}
	if s.role == consent.Second {
		st.FirstDigest = consent.StatementDigest("first")
	}
	return st
}

func (s *service) count(what string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seen := range s.seen {
		if seen == what {
			n++
		}
	}
	return n
}

func draft(t *testing.T, c *device.Client) *device.Draft {
	t.Helper()
	payee, err := c.Payee(t.Context(), books.Handle)
	if err != nil {
		t.Fatal(err)
	}
	order, err := c.Order(price, payee, terms)
	if err != nil {
		t.Fatal(err)
	}
	d, err := order.Tap(account)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestNothingButThePayeeHandleLeavesTheDeviceBeforeSend(t *testing.T) {
	s, c := newService(t)
	d := draft(t, c)
	want := "[GET /v1/service POST /v1/token GET /v1/payees/books@shop]"
	if got := fmt.Sprint(s.seen); got != want {
		t.Errorf("before Send: requests %s, want %s", got, want)
	}
	for i, body := range s.bodies {
		if strings.Contains(body, string(account)) || strings.Contains(body, "1250") || strings.Contains(body, "1042") {
			t.Errorf("%s carried a fact of the payment", s.seen[i])
		}
	}
	if _, err := d.Send(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.count("POST /v1/payments"); n != 1 || len(s.seen) != 4 {
		t.Errorf("Send made %d instructions in %s", n, s.seen)
	}
}

func TestSendAgainNamesTheSamePayment(t *testing.T) {
	s, c := newService(t)
	d := draft(t, c)
	for range 2 {
		p, err := d.Send(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if p.ID() != d.ID() || p.View().ID != string(d.ID()) {
			t.Errorf("payment %s of draft %s", p.ID(), d.ID())
		}
	}
	if n := s.count("POST /v1/payments"); n != 2 {
		t.Errorf("%d instructions", n)
	}
}

// lies alter one fact of a statement each, so that it is still a valid statement.
func lies() map[string]func(*consent.Statement) {
	rehash := func(s *consent.Statement) {
		s.OrderHash = consent.OrderHash(consent.Order{Number: s.OrderNumber, Description: s.OrderText}, s.Amount, s.PayeeHandle)
	}
	return map[string]func(*consent.Statement){
		"payment": func(s *consent.Statement) { s.Payment = consent.NewPaymentID() },
		"role": func(s *consent.Statement) {
			s.Role, s.FirstDigest = consent.Second, consent.StatementDigest("first")
		},
		"rehearsal": turnRound,
		"amount": func(s *consent.Statement) {
			s.Amount.Minor = 1251
			s.AmountText = s.Amount.String()
			rehash(s)
		},
		"fee": func(s *consent.Statement) {
			*s = s.WithFee(money.Amount{Minor: 1, Currency: price.Currency})
		},
		"total":                   nil, // follows from amount and fee
		"payee_handle":            func(s *consent.Statement) { s.PayeeHandle = "b00ks@shop"; rehash(s) },
		"payee_name":              func(s *consent.Statement) { s.PayeeName = "Book  Shop" },
		"payee_account":           func(s *consent.Statement) { s.PayeeAccount = "acc_0987654322" },
		"card_account":            func(s *consent.Statement) { s.CardAccount = consent.MaskLast4("0006") },
		"initiating_device":       func(s *consent.Statement) { s.Device = consent.DeviceID(strings.Repeat("x", 43)) },
		"order":                   func(s *consent.Statement) { s.Order = "ord_AAAAAAAAAAAAAAAAAAAAAA" },
		"order_number":            func(s *consent.Statement) { s.OrderNumber = "1043"; rehash(s) },
		"order_description":       func(s *consent.Statement) { s.OrderText = "Three books"; rehash(s) },
		"payee_account_changed":   nil, // a warning of the service: nothing that the device asked for
		"undo_seconds":            nil, // in the payer's favour, and shown
		"initiating_device_label": nil, // what the owner called it: nothing of the payment
		"card_label":              nil,
		"v":                       nil, // these five are checked by consent.ParseStatement
		"amount_text":             nil,
		"order_hash":              nil,
		"nonce":                   nil,
		"expires_at":              nil,
		"first_digest":            nil, // belongs to the role
	}
}

func TestStatementWithAnyAlteredFactIsNotConfirmed(t *testing.T) {
	fields := reflect.TypeFor[consent.Statement]()
	for i := range fields.NumField() {
		name, _, _ := strings.Cut(fields.Field(i).Tag.Get("json"), ",")
		if _, known := lies()[name]; !known {
			t.Errorf("the statement's field %s is new: is it checked?", name)
		}
	}
	for field, lie := range lies() {
		if lie == nil {
			continue
		}
		t.Run(field, func(t *testing.T) {
			s, c := newService(t)
			s.lie = lie
			p, err := draft(t, c).Send(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			st, err := p.Statement()
			difference, ok := errors.AsType[*device.DifferenceError](err)
			if !errors.Is(err, device.ErrStatementDiffers) || !ok || difference.Field != field {
				t.Errorf("Statement: %v; want ErrStatementDiffers about %s", err, field)
			}
			if _, err := p.Confirm(t.Context(), st); !errors.Is(err, device.ErrStatementDiffers) {
				t.Errorf("Confirm: %v; want ErrStatementDiffers", err)
			}
			if n := s.count("POST /v1/payments/" + string(p.ID()) + "/confirmation"); n != 0 {
				t.Errorf("%d confirmations were sent", n)
			}
		})
	}
}

func TestTrueStatementIsConfirmedByteForByte(t *testing.T) {
	s, c := newService(t)
	p, err := draft(t, c).Send(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	st, err := p.Statement()
	if err != nil {
		t.Fatal(err)
	}
	issued := p.View().Statement
	var m consent.Decision
	s.HandleFunc("POST /v1/payments/"+string(p.ID())+"/confirmation", func(w http.ResponseWriter, r *http.Request) {
		s.read(r, consent.TypConfirmation, &m)
		answer(w, 200, s.view(string(p.ID())))
	})
	if _, err := p.Confirm(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	if m.Statement != issued || m.Decision != consent.Approve || m.Payment != p.ID() {
		t.Errorf("got %+v\nissued %s", m, issued)
	}
}

func TestAnswerAboutAnotherPaymentIsRefused(t *testing.T) {
	for field, alter := range map[string]func(*api.Payment){
		"payment":      func(p *api.Payment) { p.ID = string(consent.NewPaymentID()) },
		"amount":       func(p *api.Payment) { p.Amount.Minor++ },
		"payee_handle": func(p *api.Payment) { p.Payee.Handle = "other@shop" },
		"card_account": func(p *api.Payment) { p.CardAccount = consent.MaskLast4("0006") },
	} {
		s, c := newService(t)
		d := draft(t, c)
		s.HandleFunc("GET /v1/payments/"+string(d.ID()), func(w http.ResponseWriter, _ *http.Request) {
			view := s.view(string(d.ID()))
			alter(&view)
			answer(w, 200, view)
		})
		p, err := d.Send(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Refresh(t.Context()); !errors.Is(err, device.ErrStatementDiffers) {
			t.Errorf("%s altered: got %v", field, err)
		}
	}
}

func TestApproverIsNotShownAStatementThatContradictsItsPayment(t *testing.T) {
	for _, field := range []string{"payment", "role", "rehearsal", "amount", "payee_handle", "payee_name", "card_account"} {
		s, c := newService(t)
		s.role = consent.Second
		s.lie = lies()[field]
		if field == "role" {
			s.lie = func(s *consent.Statement) { s.Role, s.FirstDigest = consent.First, "" }
		}
		id := string(consent.NewPaymentID())
		s.HandleFunc("GET /v1/payments", func(w http.ResponseWriter, r *http.Request) {
			if q := r.URL.Query(); q.Get("role") != "approver" || q.Get("state") != "approval_required" {
				t.Errorf("asked %s", r.URL.RawQuery)
			}
			answer(w, 200, api.Payments{Payments: []api.Payment{s.view(id)}})
		})
		list, err := c.Approvals(t.Context())
		if len(list) != 0 || !errors.Is(err, device.ErrStatementDiffers) {
			t.Errorf("%s altered: got %d approvals, %v", field, len(list), err)
		}
	}
}

func TestWaitGoesOnUntilThePaymentHasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newService(t)
		id := consent.NewPaymentID()
		asked := 0
		s.HandleFunc("GET /v1/payments/"+string(id), func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery != "after=2&wait=25" {
				t.Errorf("asked %s", r.URL.RawQuery)
			}
			view := s.view(string(id))
			switch asked++; {
			case asked == 1:
				time.Sleep(25 * time.Second) // no news
			case asked < 12:
				answer(w, 503, api.Problem{Code: "unavailable"})
				return
			default:
				view.Version = 3
			}
			answer(w, 200, view)
		})
		view, err := c.Wait(t.Context(), id, 2)
		if err != nil || view.Version != 3 || asked != 12 {
			t.Errorf("got version %d, %v after %d questions", view.Version, err, asked)
		}
	})
}

func TestOrderThatCannotBePaidIsRefusedHere(t *testing.T) {
	_, c := newService(t)
	for name, err := range map[string]error{
		"nothing":          second(c.Order(money.Amount{Currency: "CNY"}, books, terms)),
		"another currency": second(c.Order(money.Amount{Minor: 1, Currency: "EUR"}, books, terms)),
		"no handle":        second(c.Order(price, api.Payee{Handle: "Books"}, terms)),
		"hidden text":      second(c.Order(price, books, consent.Order{Description: "a\u202eb"})),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	order, err := c.Order(price, books, terms)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := order.Tap("12"); err == nil {
		t.Error("a number of two digits was taken")
	}
}

func second(_ device.Order, err error) error { return err }

const message consent.SUNMessage = "https://pay.example/t#e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086"

func TestCardThatProvesItselfIsWhatTheFirstAnswerSays(t *testing.T) {
	s, c := newService(t)
	order, err := c.Order(price, books, terms)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := order.TapSUN("e=1"); err == nil {
		t.Error("a message of three characters was taken")
	}
	d, err := order.TapSUN(message)
	if err != nil || d.CardAccount() != "" {
		t.Fatalf("%v, card account %q before the service has said it", err, d.CardAccount())
	}
	p, err := d.Send(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Statement(); err != nil {
		t.Errorf("the same card: %v", err)
	}
	s.lie = func(st *consent.Statement) { st.CardAccount = "•••• 9999" }
	if p, err = d.Send(t.Context()); err == nil {
		_, err = p.Statement()
	}
	if !errors.Is(err, device.ErrStatementDiffers) {
		t.Errorf("another card in the statement: %v", err)
	}
}
