package operator_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/money"
	"tapline/operator"
)

const origin = "https://pay.example"

// service answers in process and remembers what writes carried.
type service struct {
	*http.ServeMux
	writes []write
}

type write struct{ Path, Auth, Key, Body string }

// RoundTrip answers a request.
func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Path, "/v1/admin/") && r.Method == http.MethodPost {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		s.writes = append(s.writes, write{r.URL.Path, r.Header.Get("Authorization"), r.Header.Get(api.IdempotencyHeader), string(body)})
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result(), nil
}

func newService(t *testing.T) (*service, *operator.Client) {
	t.Helper()
	key, err := consent.NewDeviceKey()
	if err != nil {
		t.Fatal(err)
	}
	s := &service{ServeMux: http.NewServeMux()}
	s.HandleFunc("GET /v1/service", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, api.Service{Environment: "test", Audience: origin + "/test"})
	})
	s.HandleFunc("POST /v1/token", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, api.Token{AccessToken: "token", TokenType: "Bearer", ExpiresIn: 300})
	})
	return s, &operator.Client{URL: origin, HTTP: &http.Client{Transport: s}, Key: key}
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	if _, ok := v.(api.Problem); ok {
		w.Header().Set("Content-Type", api.ContentProblem)
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

var hundred = api.NewTopUp{Amount: money.Amount{Minor: 10000, Currency: "CNY"}, Note: "cash"}

func TestUnansweredWriteIsSentAgainUnderItsOneKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newService(t)
		s.HandleFunc("POST /v1/admin/accounts/acc_1/top-ups", func(w http.ResponseWriter, _ *http.Request) {
			if len(s.writes) < 3 {
				answer(w, 503, api.Problem{Code: "busy", Status: 503})
				return
			}
			answer(w, 201, api.Account{ID: "acc_1", Balance: 10000})
		})
		account, err := c.TopUp(t.Context(), "acc_1", hundred)
		if err != nil || account.Balance != 10000 || len(s.writes) != 3 {
			t.Fatalf("got %+v, %v after %d writes", account, err, len(s.writes))
		}
		for i, w := range s.writes {
			if w != s.writes[0] || w.Key == "" || w.Auth != "Bearer token" {
				t.Errorf("write %d: %+v, the first %+v", i, w, s.writes[0])
			}
		}
		if _, err := c.TopUp(t.Context(), "acc_1", hundred); err != nil {
			t.Fatal(err)
		}
		if s.writes[3].Key == s.writes[0].Key {
			t.Error("another top-up has the same key")
		}
		if _, err := c.TopUp(operator.WithIdempotencyKey(t.Context(), "mine"), "acc_1", hundred); err != nil {
			t.Fatal(err)
		}
		if s.writes[4].Key != "mine" {
			t.Errorf("key %q, want the caller's", s.writes[4].Key)
		}
	})
}

func TestFirstOperatorIsEnrolledWithTheTokenOfTheFirstStart(t *testing.T) {
	s, c := newService(t)
	s.HandleFunc("POST /v1/admin/operators", func(w http.ResponseWriter, r *http.Request) {
		var in api.NewOperator
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		key, err := consent.ParsePublicJWK(in.PublicKey)
		if err != nil || key.ID() != c.Key.ID() || in.Name != "Olga" {
			t.Errorf("got %+v, %v", in, err)
		}
		answer(w, 201, api.Operator{ID: string(key.ID()), Name: in.Name})
	})
	if _, err := c.EnrolFirst(t.Context(), "tfo_secret\n", "Olga"); err != nil {
		t.Fatal(err)
	}
	if len(s.writes) != 1 || s.writes[0].Auth != "Bearer tfo_secret" {
		t.Errorf("got %+v", s.writes)
	}
}

func TestListsAreReadToTheirEnd(t *testing.T) {
	s, c := newService(t)
	var asked []string
	s.HandleFunc("GET /v1/admin/payees", func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		page := api.Payees{Payees: []api.AdminPayee{{Handle: "a@shop"}}, Next: "a@shop"}
		if r.URL.Query().Get("before") != "" {
			page = api.Payees{Payees: []api.AdminPayee{{Handle: "b@shop"}}}
		}
		answer(w, 200, page)
	})
	payees, err := c.Payees(t.Context())
	if err != nil || len(payees) != 2 || payees[1].Handle != "b@shop" {
		t.Errorf("got %+v, %v", payees, err)
	}
	if diff := cmp.Diff([]string{"", "before=a%40shop"}, asked); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestRefusalIsAProblem(t *testing.T) {
	s, c := newService(t)
	s.HandleFunc("POST /v1/admin/cards", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 409, api.Problem{Code: "card_exists", Status: 409})
	})
	_, err := c.IssueCard(t.Context(), api.NewCard{AccountNumber: "6200000000000005", Currency: "CNY"})
	if p, ok := errors.AsType[*api.Problem](err); !ok || p.Code != "card_exists" || len(s.writes) != 1 {
		t.Errorf("got %v after %d writes", err, len(s.writes))
	}
}
