package httpapi

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/keyring"
	"tapline/payment"
	"tapline/processor"
)

// anyScope is the scope of an operation that every API key may ask for.
const anyScope processor.Scope = ""

// firstScopes are those of the key that a new payee gets: all it takes to sell, and no more keys.
var firstScopes = []processor.Scope{processor.ScopeOrders, processor.ScopeRefunds, processor.ScopeRead}

// defaultOverlap is how long a rotated key works beside the one in its place, if nobody says.
const defaultOverlap = 24 * time.Hour

// keyRoutes are what a payee's programs do with API keys.
func keyRoutes() []*route {
	key, id := typeOf[api.APIKey](), "/v1/api-keys/{id}"
	return []*route{
		{
			method: "GET", path: "/v1/payee", id: "getSelf", summary: "Tell whose API key this is, and what it may do",
			text: "For a program that wants to know at its start whether its key works.",
			by:   []credential{byPayee}, scope: anyScope, status: http.StatusOK, out: typeOf[api.Self](), handle: (*call).getSelf,
			codes: []string{"unknown_payee"},
		}, {
			method: "POST", path: "/v1/payee/undo", id: "setUndo", summary: "Set how long payments may be undone before their money moves",
			text: "Payer and payee may cancel such a payment though all was given that it needs. The money is held so long.",
			by:   []credential{byPayee}, scope: processor.ScopeOrders, in: typeOf[api.NewUndo](), status: http.StatusOK, out: typeOf[api.Payee](),
			handle: (*call).setUndo, codes: []string{"idempotency_key_required", "unknown_payee"},
		}, {
			method: "POST", path: "/v1/api-keys", id: "makeAPIKey", summary: "Make an API key",
			text: "With no scope that the key that asks has not, and for no longer than that. The key is told this once.",
			by:   []credential{byPayee}, scope: processor.ScopeKeys, in: typeOf[api.NewAPIKey](), status: http.StatusCreated, out: key,
			handle: (*call).makeAPIKey, codes: []string{"idempotency_key_required", "unknown_payee", "payee_closed", "api_key_over", "too_many_api_keys"},
		}, {
			method: "GET", path: "/v1/api-keys", id: "listAPIKeys", summary: "List the payee's API keys",
			text: "Those that ended are listed for 30 days more.",
			by:   []credential{byPayee}, scope: processor.ScopeKeys, status: http.StatusOK, out: typeOf[api.APIKeys](), handle: (*call).listAPIKeys,
			codes: []string{"unknown_payee"},
		}, {
			method: "POST", path: id + "/rotate", id: "rotateAPIKey", summary: "Put a new API key in the place of one",
			text: "With its name and scopes. The old one works until the overlap is over, and cannot be rotated again.",
			by:   []credential{byPayee}, scope: processor.ScopeKeys, in: typeOf[api.Rotation](), status: http.StatusCreated, out: key,
			handle: (*call).rotateAPIKey, codes: []string{"idempotency_key_required", "unknown_payee", "unknown_api_key", "api_key_over", "too_many_api_keys"},
		}, {
			method: "POST", path: id + "/revoke", id: "revokeAPIKey", summary: "End an API key at once",
			text: "No body. Streams that it opened end within 15 seconds.",
			by:   []credential{byPayee}, scope: processor.ScopeKeys, status: http.StatusOK, out: key,
			handle: (*call).revokeAPIKey, codes: []string{"idempotency_key_required", "unknown_payee", "unknown_api_key", "api_key_over"},
		},
	}
}

// adminKeyRoutes are what operators do with payees' API keys.
func adminKeyRoutes() []*route {
	const all, one = "/payees/{handle}/api-keys", "/payees/{handle}/api-keys/{id}"
	key := typeOf[api.APIKey]()
	return []*route{
		adminRead(all, "listPayeeAPIKeys", "List a payee's API keys", typeOf[api.APIKeys](), (*call).listAPIKeys).or("unknown_payee"),
		adminWrite(all, "makePayeeAPIKey", "Make an API key for a payee", typeOf[api.NewAPIKey](), key, http.StatusCreated, (*call).makeAPIKey,
			"unknown_payee", "payee_closed", "too_many_api_keys"),
		adminWrite(one+"/rotate", "rotatePayeeAPIKey", "Put a new API key in the place of one", typeOf[api.Rotation](), key, http.StatusCreated, (*call).rotateAPIKey,
			"unknown_payee", "unknown_api_key", "api_key_over", "too_many_api_keys"),
		adminWrite(one+"/revoke", "revokePayeeAPIKey", "End an API key at once", typeOf[api.Noted](), key, http.StatusOK, (*call).revokeAPIKey,
			"unknown_payee", "unknown_api_key"),
	}
}

// newAPIKey makes an API key, and what is stored of it.
func (s *Service) newAPIKey(payee payment.Handle) (text consent.APIKey, key processor.APIKey) {
	text = consent.NewAPIKey(s.Environment)
	return text, processor.APIKey{
		ID: "key_" + consent.NewID(), MAC: mac(s.Keys.MAC(keyring.APIKey, []byte(text))), Payee: payee, Hint: text.Hint(),
	}
}

// keyTrust is how long an API key that was checked is trusted to hold a stream open.
const keyTrust = 10 * time.Minute

// otherEnvironment is where the API keys are for that this service refuses.
var otherEnvironment = map[string]string{"live": "test", "test": "live"}

// byAPIKey finds the payee whose key it is.
func (c *call) byAPIKey(text consent.APIKey) (caller, error) {
	if text.Check(c.Environment) != nil {
		if text.Check(otherEnvironment[c.Environment]) == nil {
			return caller{}, refuse("wrong_environment")
		}
		return caller{}, refuse("invalid_token")
	}
	return c.keyCaller(macs(c.Keys.MACs(keyring.APIKey, []byte(text))))
}

// keyCaller is the payee of the API key with one of these MACs.
func (c *call) keyCaller(macs []string) (caller, error) {
	rows, err := c.load(c.r.Context(), processor.Wants{APIKeys: macs})
	if err != nil {
		return caller{}, err
	}
	now := c.now()
	for _, k := range rows.APIKeys {
		if !k.Valid(now) {
			continue
		}
		c.keyUses.note(k, now)
		trust := keyTrust
		if !k.ExpiresAt.IsZero() {
			trust = min(trust, k.ExpiresAt.Sub(now))
		}
		return caller{who: byPayee, payee: k.Payee, key: k, until: c.world().Add(trust)}, nil
	}
	return caller{}, refuse("invalid_token")
}

// keyWork is whose keys are asked about, and who asks.
func (c *call) keyWork(note string) (w processor.KeyWork, err error) {
	if c.by.who == byPayee {
		if note != "" {
			return w, refuseField("unknown_field", "note")
		}
		return processor.KeyWork{Payee: c.by.payee, With: c.by.key.MAC}, nil
	}
	w.Operated, err = c.operated(note)
	w.Payee = payment.Handle(c.r.PathValue("handle"))
	return w, err
}

// workOn runs a command about API keys. The answer may tell a key, so it is repeated only for the key that asked, not for
// another one of the same payee.
func (c *call) workOn(in any, command processor.Command, render func(time.Time) (int, []byte)) (answer, error) {
	key, err := c.byHeader()
	if err != nil {
		return answer{}, err
	}
	if c.by.who == byPayee {
		key.Key = c.by.key.ID + " " + key.Key
	}
	return c.do(processor.Request{Key: key, Digest: c.digest(in), Command: command, Answer: render})
}

// makeAPIKey is POST /v1/api-keys, and the operators' likewise.
func (c *call) makeAPIKey() (answer, error) {
	var in api.NewAPIKey
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	who, err := c.keyWork(in.Note)
	if err != nil {
		return answer{}, err
	}
	name, err := label("name", in.Name, 1)
	if err != nil {
		return answer{}, err
	}
	text, key := c.newAPIKey(who.Payee)
	key.Name = name
	for _, s := range processor.Scopes { // in one order, each once
		for _, asked := range in.Scopes {
			if s == processor.Scope(asked) && !key.May(s) {
				key.Scopes = append(key.Scopes, s)
			}
		}
	}
	command := &processor.MakeAPIKey{KeyWork: who, Key: key, Life: time.Duration(in.ExpiresIn) * time.Second}
	return c.workOn(in, command, func(time.Time) (int, []byte) {
		return http.StatusCreated, encode(apiKeyView(command.Key, text))
	})
}

// listAPIKeys is GET /v1/api-keys, and the operators' likewise.
func (c *call) listAPIKeys() (answer, error) {
	payee := c.by.payee
	if c.by.who == byOperator {
		payee = payment.Handle(c.r.PathValue("handle"))
	}
	rows, err := c.load(c.r.Context(), processor.Wants{Payees: []payment.Handle{payee}, APIKeysOf: []payment.Handle{payee}})
	if err != nil {
		return answer{}, err
	}
	if len(rows.Payees) == 0 {
		return answer{}, processor.ErrUnknownPayee
	}
	slices.SortFunc(rows.APIKeys, func(a, b processor.APIKey) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	list := api.APIKeys{APIKeys: []api.APIKey{}}
	for _, k := range rows.APIKeys {
		list.APIKeys = append(list.APIKeys, apiKeyView(k, ""))
	}
	return ok(list)
}

// rotateAPIKey is POST /v1/api-keys/{id}/rotate, and the operators' likewise.
func (c *call) rotateAPIKey() (answer, error) {
	var in api.Rotation
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	who, err := c.keyWork(in.Note)
	if err != nil {
		return answer{}, err
	}
	text, key := c.newAPIKey(who.Payee)
	command := &processor.RotateAPIKey{KeyWork: who, ID: c.r.PathValue("id"), Key: key, Overlap: defaultOverlap}
	if in.Overlap != nil {
		command.Overlap = time.Duration(*in.Overlap) * time.Second
	}
	return c.workOn(in, command, func(time.Time) (int, []byte) {
		view := apiKeyView(command.Key, text)
		view.Replaces = command.Old.ID
		view.OldUntil = &command.Old.ExpiresAt
		return http.StatusCreated, encode(view)
	})
}

// revokeAPIKey is POST /v1/api-keys/{id}/revoke, and the operators' likewise.
func (c *call) revokeAPIKey() (answer, error) {
	var in api.Noted
	if c.route.in != nil {
		if err := c.decode(&in); err != nil {
			return answer{}, err
		}
	}
	who, err := c.keyWork(in.Note)
	if err != nil {
		return answer{}, err
	}
	command := &processor.RevokeAPIKey{KeyWork: who, ID: c.r.PathValue("id")}
	return c.workOn(in, command, func(time.Time) (int, []byte) {
		return http.StatusOK, encode(apiKeyView(command.After, ""))
	})
}

// getSelf is GET /v1/payee.
func (c *call) getSelf() (answer, error) {
	rows, err := c.load(c.r.Context(), processor.Wants{Payees: []payment.Handle{c.by.payee}})
	if err != nil {
		return answer{}, err
	}
	if len(rows.Payees) == 0 {
		return answer{}, processor.ErrUnknownPayee
	}
	return ok(api.Self{Payee: wholePayee(rows.Payees[0]), APIKey: apiKeyView(c.by.key, "")})
}

// apiKeyView is an API key, with its text if that was made just now.
func apiKeyView(k processor.APIKey, text consent.APIKey) api.APIKey {
	v := api.APIKey{
		ID: k.ID, Name: k.Name, Scopes: []string{}, Hint: k.Hint, MadeBy: string(k.CreatedBy), CreatedAt: k.CreatedAt,
		ExpiresAt: when(k.ExpiresAt), RevokedAt: when(k.RevokedAt), LastUsedAt: when(k.UsedAt), ReplacedBy: k.ReplacedBy, Key: string(text),
	}
	for _, s := range k.Scopes {
		v.Scopes = append(v.Scopes, string(s))
	}
	if strings.HasPrefix(v.MadeBy, string(processor.OperatorPrincipal(""))) {
		v.MadeBy = api.MadeByOperator // which one is the operators' own
	} else {
		v.MadeBy = strings.TrimPrefix(v.MadeBy, string(processor.APIKeyPrincipal("")))
	}
	return v
}

// when is a time that may not be.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
