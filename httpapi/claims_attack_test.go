package httpapi_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/internal/pgtest"
	"tapline/payment"
	"tapline/processor"
	"tapline/sqlstore"
)

// canary stands in what is refused: no answer may repeat it.
const canary = "canary"

// dump is every row of the database as text, by table: what a refused request leaves as it was.
func (w *world) dump() map[string][]string {
	w.t.Helper()
	if sqlstore.IsServer(w.db) {
		return pgtest.Dump(w.t, w.db)
	}
	conn, err := sqlite.OpenConn(w.db, sqlite.OpenReadOnly)
	w.must(err)
	defer conn.Close()
	tables := map[string][]string{}
	w.must(sqlitex.Execute(conn, `SELECT name FROM sqlite_master WHERE type = 'table'`, &sqlitex.ExecOptions{
		ResultFunc: func(s *sqlite.Stmt) error { tables[s.ColumnText(0)] = nil; return nil },
	}))
	for table := range tables {
		w.must(sqlitex.Execute(conn, `SELECT * FROM "`+table+`"`, &sqlitex.ExecOptions{
			ResultFunc: func(s *sqlite.Stmt) error {
				var row []string
				for i := range s.ColumnCount() {
					row = append(row, s.ColumnName(i)+"="+s.ColumnText(i))
				}
				tables[table] = append(tables[table], strings.Join(row, " "))
				return nil
			},
		}))
		slices.Sort(tables[table])
	}
	return tables
}

var used = regexp.MustCompile(`\bused_at=\d+`)

// unchanged runs an attack and wants every row of the database to be what it was.
func (w *world) unchanged(attack func()) {
	w.t.Helper()
	// That a key was used is written down some seconds later, by whatever request.
	dump := func() map[string][]string {
		rows := w.dump()
		for i, key := range rows["api_keys"] {
			rows["api_keys"][i] = used.ReplaceAllString(key, "used_at")
		}
		return rows
	}
	before := dump()
	attack()
	if diff := cmp.Diff(before, dump()); diff != "" {
		w.t.Errorf("something was written (-before +after):\n%s", diff)
	}
}

// plain is an answer without what is new in each: date and trace id.
func (e exchange) plain() string {
	var p api.Problem
	body := e.Answer
	if json.Unmarshal([]byte(body), &p) == nil && p.TraceID != "" {
		body = strings.ReplaceAll(body, p.TraceID, "TRACE")
	}
	lines := []string{fmt.Sprint(e.Status)}
	for name, values := range e.AnswerHeader {
		if name != "Date" && name != "Trace-Id" {
			lines = append(lines, name+": "+strings.Join(values, ", "))
		}
	}
	slices.Sort(lines[1:])
	return strings.Join(append(lines, body), "\n")
}

// expectRefusal wants a problem of a status and code that repeats nothing of what was sent.
func expectRefusal(t testing.TB, name string, e exchange, status int, code string) {
	t.Helper()
	p := e.problem(t)
	if e.Status != status || p.Status != status || p.Code != code {
		t.Errorf("%s: got %d %s (field %q), want %d %s", name, e.Status, p.Code, p.Field, status, code)
	}
	if kind := e.AnswerHeader.Get("Content-Type"); kind != api.ContentProblem {
		t.Errorf("%s: content type %q, want %s", name, kind, api.ContentProblem)
	}
	if p.TraceID == "" || p.TraceID != e.AnswerHeader.Get("Trace-Id") {
		t.Errorf("%s: trace id %q in the body, %q in the header", name, p.TraceID, e.AnswerHeader.Get("Trace-Id"))
	}
	if strings.Contains(strings.ToLower(e.Answer+fmt.Sprint(e.AnswerHeader)), canary) {
		t.Errorf("%s: the answer repeats what was refused: %s", name, e.Answer)
	}
}

// private is a device's private key, taken out of its file as a thief would.
func private(t testing.TB, key *consent.DeviceKey) *ecdsa.PrivateKey {
	t.Helper()
	text, err := key.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.(*ecdsa.PrivateKey)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// forge signs any payload under any header with ES256, by hand: no library stands in the way of what is forbidden.
func forge(t testing.TB, key *consent.DeviceKey, header map[string]any, payload string) string {
	t.Helper()
	h, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	return signAs(t, key, string(h), payload)
}

// signAs is forge with the header as text.
func signAs(t testing.TB, key *consent.DeviceKey, header, payload string) string {
	t.Helper()
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, private(t, key), sum[:])
	if err != nil {
		t.Fatal(err)
	}
	var raw [64]byte
	r.FillBytes(raw[:32])
	s.FillBytes(raw[32:])
	return input + "." + b64(raw[:])
}

// headerOf is the protected header of an honest message.
func headerOf(key *consent.DeviceKey, typ consent.Typ) map[string]any {
	return map[string]any{"alg": "ES256", "typ": string(typ), "kid": string(key.ID())}
}

// instruction is the payload of an honest instruction, as text to be spoiled.
func (w *world) instruction(from *device.Client) string {
	return fmt.Sprintf(`{"aud":%q,"iat":%d,"jti":%q,"device":%q,"amount":{"minor":1250,"currency":"CNY"},"payee":"books@shop",`+
		`"tap":{"account":"6200000000000005"},"order":{"number":"1042","description":"Two books"}}`,
		w.audience(), w.clock.Now().Unix(), consent.NewPaymentID(), from.ID())
}

// spoil replaces a part of an honest instruction, which has to be in it.
func (w *world) spoil(from, part, by string) string {
	w.t.Helper()
	if !strings.Contains(from, part) {
		w.t.Fatalf("%q is not in the instruction", part)
	}
	return strings.Replace(from, part, by, 1)
}

func TestAnInstructionWithOneThingWrongIsRefusedAndNothingIsWritten(t *testing.T) {
	w := openWorld(t)
	aud, iat, kiosk := w.audience(), fmt.Sprintf(`"iat":%d`, w.clock.Now().Unix()), string(w.kiosk.ID())
	for _, tc := range []struct {
		name, part, by string
		status         int
		code, field    string
	}{
		{"payee that nobody is", "books@shop", "canary@shop", 404, "unknown_payee", ""},
		{"handle that cannot be", "books@shop", "CANARY @ shop", 400, "invalid_field", "payee"},
		{"no amount", "1250", "0", 400, "invalid_field", "amount"},
		{"negative amount", "1250", "-1250", 400, "invalid_field", "amount"},
		{"amount too large", "1250", "1000000000000001", 400, "invalid_field", "amount"},
		{"amount beyond int64", "1250", "9223372036854775808", 400, "invalid_field", "amount.minor"},
		{"amount with a fraction", "1250", "12.5", 400, "invalid_field", "amount.minor"},
		{"amount with an exponent", "1250", "1e3", 400, "invalid_field", "amount.minor"},
		{"amount as text", "1250", `"1250canary"`, 400, "invalid_field", "amount.minor"},
		{"amount of nothing", "1250", "null", 400, "invalid_field", "amount.minor"},
		{"currency that is none", "CNY", "QQQ", 400, "invalid_field", "amount"},
		{"currency in lower case", "CNY", "cny", 400, "invalid_field", "amount"},
		{"currency the payee does not take", "CNY", "USD", 422, "wrong_currency", ""},
		{"unknown field", `"payee"`, `"canary":"canary","payee"`, 400, "unknown_field", ""},
		{"unknown field inside", `"minor"`, `"canary":1,"minor"`, 400, "unknown_field", "amount"},
		{"field twice", `"payee"`, `"payee":"canary@shop","payee"`, 400, "duplicate_field", "payee"},
		{"field twice in other case", `"payee"`, `"PAYEE":"canary@shop","payee"`, 400, "unknown_field", ""},
		{"number of no card", "6200000000000005", "620000000000000canary", 400, "invalid_field", "tap.account"},
		{"too long a number", "6200000000000005", "62000000000000050000", 400, "invalid_field", "tap.account"},
		{"id of no payment", `"jti":"pay_`, `"jti":"xxx_`, 400, "invalid_field", "jti"},
		{"id too short", "{jti}", "pay_canary", 400, "invalid_field", "jti"},
		{"another device in the message", kiosk, string(w.phone.ID()), 401, "unknown_key", ""},
		{"for another service", aud, "https://canary.example/test", 401, "wrong_audience", ""},
		{"for the live service", aud, strings.TrimSuffix(aud, "test") + "live", 401, "wrong_audience", ""},
		{"for this service and more", aud, aud + "/", 401, "wrong_audience", ""},
		{"for several services", `"` + aud + `"`, `["` + aud + `"]`, 400, "invalid_field", "aud"},
		{"signed too long ago", iat, fmt.Sprintf(`"iat":%d`, w.clock.Now().Unix()-301), 401, "stale", ""},
		{"signed in the future", iat, fmt.Sprintf(`"iat":%d`, w.clock.Now().Unix()+301), 401, "stale", ""},
		{"signed at no time", iat, `"iat":0`, 401, "stale", ""},
		{"text after it", `"Two books"}}`, `"Two books"}} canary`, 400, "malformed", ""},
		{"no JSON", `{"aud"`, `{aud`, 400, "malformed", ""},
		{"broken text", "Two books", "canary \xff", 400, "malformed", ""},
	} {
		honest := w.instruction(w.kiosk)
		spoilt := w.spoil(honest, strings.Replace(tc.part, "{jti}", jtiOf(honest), 1), tc.by)
		w.unchanged(func() {
			e := w.post("/v1/payments", api.ContentJWS, forge(t, w.kiosk.Key, headerOf(w.kiosk.Key, consent.TypInstruction), spoilt))
			expectRefusal(t, tc.name, e, tc.status, tc.code)
			if got := e.problem(t).Field; got != tc.field {
				t.Errorf("%s: field %q, want %q", tc.name, got, tc.field)
			}
		})
	}
	if e := w.post("/v1/payments", api.ContentJWS, forge(t, w.kiosk.Key, headerOf(w.kiosk.Key, consent.TypInstruction), w.instruction(w.kiosk))); e.Status != 201 {
		t.Errorf("the honest instruction: %d %s", e.Status, e.Answer)
	}
}

// jtiOf is the payment's id in the text of an instruction.
func jtiOf(instruction string) string {
	_, rest, _ := strings.Cut(instruction, `"jti":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// forgeries are compact texts made of an honest instruction that prove nothing, with the codes they get.
func (w *world) forgeries() map[string]struct{ compact, code string } {
	t, kiosk, phone := w.t, w.kiosk.Key, w.phone.Key
	payload := w.instruction(w.kiosk)
	honest := forge(t, kiosk, headerOf(kiosk, consent.TypInstruction), payload)
	parts := strings.Split(honest, ".")
	with := func(name string, value any) string {
		h := headerOf(kiosk, consent.TypInstruction)
		h[name] = value
		return forge(t, kiosk, h, payload)
	}
	jwk := json.RawMessage(w.newKey().Public().JWK())
	type forgery = struct{ compact, code string }
	return map[string]forgery{
		"nothing":              {"", "malformed"},
		"a word":               {canary, "malformed"},
		"two parts":            {parts[0] + "." + parts[1], "malformed"},
		"four parts":           {honest + ".canary", "malformed"},
		"a JWE":                {honest + ".a.b", "malformed"},
		"JSON serialization":   {fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, parts[0], parts[1], parts[2]), "malformed"},
		"padding":              {parts[0] + "=." + parts[1] + "." + parts[2], "malformed"},
		"a line end after it":  {honest + "\n", "malformed"},
		"a line end inside":    {honest[:20] + "\n" + honest[20:], "malformed"},
		"header is no JSON":    {signAs(t, kiosk, canary, payload), "malformed"},
		"header is a list":     {signAs(t, kiosk, "[]", payload), "malformed"},
		"header twice the alg": {signAs(t, kiosk, fmt.Sprintf(`{"alg":"none","alg":"ES256","typ":%q,"kid":%q}`, consent.TypInstruction, kiosk.ID()), payload), "malformed"},
		"longer than a message": {forge(t, kiosk, headerOf(kiosk, consent.TypInstruction),
			strings.Replace(payload, "Two books", strings.Repeat("canary", 6000), 1)), "malformed"},
		"no signature":        {parts[0] + "." + parts[1] + ".", "bad_signature"},
		"half a signature":    {parts[0] + "." + parts[1] + "." + parts[2][:40], "bad_signature"},
		"another payload":     {parts[0] + "." + b64([]byte(strings.Replace(payload, "1250", "1", 1))) + "." + parts[2], "bad_signature"},
		"alg none":            {with("alg", "none"), "wrong_algorithm"},
		"alg none, unsigned":  {unsigned(t, kiosk, payload), "wrong_algorithm"},
		"alg in other case":   {with("alg", "es256"), "wrong_algorithm"},
		"HS256 by the key":    {w.hmacByPublicKey(payload), "wrong_algorithm"},
		"EdDSA for ES256":     {with("alg", "EdDSA"), "wrong_algorithm"},
		"another device's":    {forge(t, phone, headerOf(kiosk, consent.TypInstruction), payload), "bad_signature"},
		"a stranger's":        {forge(t, w.newKey(), headerOf(kiosk, consent.TypInstruction), payload), "bad_signature"},
		"an unknown device's": {forge(t, kiosk, map[string]any{"alg": "ES256", "typ": consent.TypInstruction, "kid": w.newKey().ID()}, payload), "unknown_key"},
		"kid that is none":    {with("kid", canary), "malformed"},
		"kid with a path":     {with("kid", "../../../../../../etc/"+canary), "malformed"},
		"its own jwk":         {with("jwk", jwk), "malformed"},
		"jku":                 {with("jku", "https://canary.example/jwks.json"), "malformed"},
		"x5u":                 {with("x5u", "https://canary.example/cert.pem"), "malformed"},
		"x5c":                 {with("x5c", []string{canary}), "malformed"},
		"crit":                {with("crit", []string{canary}), "malformed"},
		"b64":                 {with("b64", false), "malformed"},
		"zip":                 {with("zip", "DEF"), "malformed"},
		"no typ":              {with("typ", ""), "wrong_message_type"},
		"a cancellation":      {with("typ", string(consent.TypCancellation)), "wrong_message_type"},
		"a JWT":               {with("typ", "JWT"), "wrong_message_type"},
		"a receipt":           {with("typ", string(consent.TypReceipt)), "wrong_message_type"},
	}
}

// unsigned is a message that says it needs no signature.
func unsigned(t testing.TB, key *consent.DeviceKey, payload string) string {
	t.Helper()
	h := headerOf(key, consent.TypInstruction)
	h["alg"] = "none"
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	return b64(text) + "." + b64([]byte(payload)) + "."
}

// hmacByPublicKey takes the device's public key, which is no secret, for the secret of an HMAC.
func (w *world) hmacByPublicKey(payload string) string {
	w.t.Helper()
	h := headerOf(w.kiosk.Key, consent.TypInstruction)
	h["alg"] = "HS256"
	text, err := json.Marshal(h)
	w.must(err)
	input := b64(text) + "." + b64([]byte(payload))
	sum := hmac.New(sha256.New, w.kiosk.Key.Public().JWK())
	sum.Write([]byte(input))
	return input + "." + b64(sum.Sum(nil))
}

func TestAForgedSignatureIsRefusedAndNothingIsWritten(t *testing.T) {
	w := openWorld(t)
	status := map[string]int{"malformed": 400, "wrong_algorithm": 400, "wrong_message_type": 400, "bad_signature": 401, "unknown_key": 401}
	forgeries := w.forgeries()
	for _, name := range slices.Sorted(maps.Keys(forgeries)) {
		f := forgeries[name]
		w.unchanged(func() {
			expectRefusal(t, name, w.post("/v1/payments", api.ContentJWS, f.compact), status[f.code], f.code)
		})
	}
}

func TestABodyThatIsTooLargeOrOfAnotherTypeIsRefused(t *testing.T) {
	w := openWorld(t)
	honest := forge(t, w.kiosk.Key, headerOf(w.kiosk.Key, consent.TypInstruction), w.instruction(w.kiosk))
	bearer := []string{"Authorization", "Bearer " + w.token(w.operator.Key), api.IdempotencyHeader, "once"}
	w.unchanged(func() {
		for _, kind := range []string{"", "application/json", "text/plain", "application/jose+json", "multipart/form-data", "canary/canary", "canary"} {
			expectRefusal(t, "an instruction as "+kind, w.post("/v1/payments", kind, honest), 415, "unsupported_media_type")
		}
		expectRefusal(t, "a packed instruction", w.post("/v1/payments", api.ContentJWS, honest, "Content-Encoding", "gzip"), 415, "unsupported_media_type")
		for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded"} {
			e := w.post("/v1/admin/payees", kind, `{"handle":"a@shop","name":"A","currency":"CNY"}`, bearer...)
			expectRefusal(t, "a payee as "+kind, e, 415, "unsupported_media_type")
		}
		huge := strings.Repeat(canary, 2<<20/len(canary))
		expectRefusal(t, "2 MB of instruction", w.pour("/v1/payments", api.ContentJWS, huge), 413, "body_too_large")
		expectRefusal(t, "2 MB of payee", w.pour("/v1/admin/payees", "application/json", huge, bearer...), 413, "body_too_large")
	})
}

// pour sends a body that the service will not read to its end, and returns the answer all the same.
func (w *world) pour(path, contentType, body string, header ...string) exchange {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	w.must(err)
	defer conn.Close()
	w.must(conn.SetDeadline(time.Now().Add(20 * time.Second)))
	r, err := http.NewRequest(http.MethodPost, w.url+path, strings.NewReader(body))
	w.must(err)
	r.Header.Set("Content-Type", contentType)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	var writing sync.WaitGroup
	writing.Go(func() { _ = r.Write(conn) }) // cut short by the service
	defer writing.Wait()
	answer, err := http.ReadResponse(bufio.NewReader(conn), r)
	w.must(err)
	text, err := io.ReadAll(answer.Body)
	w.must(err)
	defer conn.Close() // before writing.Wait
	return exchange{Method: "POST", Path: path, Status: answer.StatusCode, Answer: string(text), AnswerHeader: answer.Header}
}

func TestADevicesIDIsForOneMessageForEver(t *testing.T) {
	w := openWorld(t)
	first := w.instruction(w.kiosk)
	sign := func(by *device.Client, text string) string {
		return forge(t, by.Key, headerOf(by.Key, consent.TypInstruction), text)
	}
	if e := w.post("/v1/payments", api.ContentJWS, sign(w.kiosk, first)); e.Status != 201 {
		t.Fatalf("the first: %d %s", e.Status, e.Answer)
	}
	w.unchanged(func() {
		for _, change := range [][2]string{{"1250", "1251"}, {"0005", "0013"}, {"books@shop", "canary@shop"}, {"Two books", "Two canaries"}} {
			e := w.post("/v1/payments", api.ContentJWS, sign(w.kiosk, w.spoil(first, change[0], change[1])))
			expectRefusal(t, "the same id with "+change[1], e, 422, "idempotency_key_reused")
		}
		stolen := w.spoil(first, string(w.kiosk.ID()), string(w.phone.ID()))
		expectRefusal(t, "the same id by another device", w.post("/v1/payments", api.ContentJWS, sign(w.phone, stolen)), 409, "payment_exists")
	})
	// The id of one kind of message cannot become another's.
	id := jtiOf(first)
	e := w.post("/v1/payments/"+id+"/cancel", api.ContentJWS, w.signed(w.kiosk.Key, consent.TypCancellation, &consent.Cancellation{
		Claims: consent.Claims{Audience: w.audience(), IssuedAt: w.clock.Now().Unix(), ID: id}, Payment: consent.PaymentID(id),
	}))
	expectRefusal(t, "the same id for a cancellation", e, 422, "idempotency_key_reused")
	// The stored answer is forgotten in the end; the id is not.
	w.clock.Advance(30 * 24 * time.Hour)
	view, err := w.kiosk.Payment(w.ctx, consent.PaymentID(id))
	w.must(err)
	if deleted, err := w.store.Purge(w.ctx, w.clock.Now()); err != nil || deleted == 0 || view.State != string(payment.Expired) {
		t.Fatalf("%d rows purged, %v; the payment is %s", deleted, err, view.State)
	}
	late := w.instruction(w.kiosk)
	late = w.spoil(late, jtiOf(late), id)
	expectRefusal(t, "the same id a month later", w.post("/v1/payments", api.ContentJWS, sign(w.kiosk, late)), 409, "payment_exists")
}

func TestAnOperatorsRequestWithOneThingWrongIsRefusedAndNothingIsWritten(t *testing.T) {
	w := openWorld(t)
	topUps := "/v1/admin/accounts/" + w.card.Account + "/top-ups"
	topUp := `{"amount":{"minor":1250,"currency":"CNY"},"note":"cash"}`
	payee := `{"handle":"a@shop","name":"A","currency":"CNY"}`
	card := `{"account_number":"6200000000000013","label":"Card","currency":"CNY"}`
	for _, tc := range []struct {
		name, path, body string
		status           int
		code             string
	}{
		{"unknown field", topUps, `{"canary":1,` + topUp[1:], 400, "unknown_field"},
		{"field twice", topUps, `{"note":"canary",` + topUp[1:], 400, "duplicate_field"},
		{"no amount", topUps, w.spoil(topUp, "1250", "0"), 400, "invalid_field"},
		{"negative amount", topUps, w.spoil(topUp, "1250", "-1250"), 400, "invalid_field"},
		{"amount too large", topUps, w.spoil(topUp, "1250", "1000000000000001"), 400, "invalid_field"},
		{"amount beyond int64", topUps, w.spoil(topUp, "1250", "9223372036854775808"), 400, "invalid_field"},
		{"amount with a fraction", topUps, w.spoil(topUp, "1250", "12.5"), 400, "invalid_field"},
		{"amount as text", topUps, w.spoil(topUp, "1250", `"canary"`), 400, "invalid_field"},
		{"amount missing", topUps, `{"note":"canary"}`, 400, "invalid_field"},
		{"currency that is none", topUps, w.spoil(topUp, "CNY", "QQQ"), 400, "invalid_field"},
		{"currency of another kind", topUps, w.spoil(topUp, "CNY", "USD"), 422, "wrong_currency"},
		{"note with a line", topUps, w.spoil(topUp, "cash", `canary\u0007`), 400, "text_not_shown"},
		{"account that is none", "/v1/admin/accounts/canary/top-ups", topUp, 404, "unknown_account"},
		{"account of a payee", "/v1/admin/accounts/" + w.shop.Account + "/top-ups", topUp, 404, "unknown_account"},
		{"no JSON", topUps, `canary`, 400, "malformed"},
		{"a list", topUps, `["canary"]`, 400, "invalid_field"},
		{"text after it", topUps, topUp + `{"canary":1}`, 400, "malformed"},
		{"handle that cannot be", "/v1/admin/payees", w.spoil(payee, "a@shop", "Canary"), 400, "handle_format"},
		{"handle that is taken", "/v1/admin/payees", w.spoil(payee, "a@shop", "books@shop"), 409, "payee_exists"},
		{"name of nothing", "/v1/admin/payees", w.spoil(payee, `"A"`, `""`), 400, "invalid_field"},
		{"name of spaces", "/v1/admin/payees", w.spoil(payee, `"A"`, `"   "`), 400, "invalid_field"},
		{"name too long", "/v1/admin/payees", w.spoil(payee, `"A"`, `"`+strings.Repeat(canary, 1700)+`"`), 400, "invalid_field"},
		{"number that is none", "/v1/admin/cards", w.spoil(card, "6200000000000013", "canary0000000013"), 400, "invalid_field"},
		{"number that is taken", "/v1/admin/cards", w.spoil(card, "6200000000000013", string(cardNumber)), 409, "card_exists"},
		{"label with another direction", "/v1/admin/cards", w.spoil(card, "Card", `canary\u202e`), 400, "text_not_shown"},
		{"card that is none", "/v1/admin/cards/canary/freeze", `{}`, 404, "unknown_card"},
		{"key that is none", "/v1/admin/operators", `{"name":"Eve","public_key":{"kty":"canary"}}`, 400, "wrong_algorithm"},
	} {
		w.unchanged(func() {
			e := w.post(tc.path, "application/json", tc.body,
				"Authorization", "Bearer "+w.token(w.operator.Key), api.IdempotencyHeader, consent.NewID())
			expectRefusal(t, tc.name, e, tc.status, tc.code)
		})
	}
}

func TestAnOperatorsWriteNeedsAnIdempotencyKeyForOneBodyOnly(t *testing.T) {
	w := openWorld(t)
	topUps := "/v1/admin/accounts/" + w.card.Account + "/top-ups"
	topUp := `{"amount":{"minor":1250,"currency":"CNY"}}`
	bearer := "Bearer " + w.token(w.operator.Key)
	w.unchanged(func() {
		for name, header := range map[string][]string{
			"none": nil, "empty": {api.IdempotencyHeader, ""}, "with a space": {api.IdempotencyHeader, "canary canary"},
			"not ASCII": {api.IdempotencyHeader, "canary·"}, "too long": {api.IdempotencyHeader, strings.Repeat(canary, 30)},
		} {
			e := w.post(topUps, "application/json", topUp, append(header, "Authorization", bearer)...)
			expectRefusal(t, "key: "+name, e, 400, "idempotency_key_required")
		}
	})
	once := []string{"Authorization", bearer, api.IdempotencyHeader, "top-up-1"}
	first := w.post(topUps, "application/json", topUp, once...)
	if first.Status != 201 {
		t.Fatalf("the first: %d %s", first.Status, first.Answer)
	}
	w.unchanged(func() {
		again := w.post(topUps, "application/json", topUp, once...)
		if again.Status != first.Status || again.Answer != first.Answer || again.AnswerHeader.Get(api.ReplayedHeader) != "true" {
			t.Errorf("again: %d %s", again.Status, again.Answer)
		}
		expectRefusal(t, "another amount", w.post(topUps, "application/json", w.spoil(topUp, "1250", "1251"), once...), 422, "idempotency_key_reused")
		expectRefusal(t, "another note", w.post(topUps, "application/json", w.spoil(topUp, "}}", `},"note":"canary"}`), once...), 422, "idempotency_key_reused")
	})
	w.expectMoney(112_50, 0, 0)
	// The same key at another address, or of another operator, is another key.
	other := w.newKey()
	_, err := w.operator.Enrol(w.ctx, "Otto", other.Public())
	w.must(err)
	e := w.post(topUps, "application/json", topUp, "Authorization", "Bearer "+w.token(other), api.IdempotencyHeader, "top-up-1")
	if e.Status != 201 || e.AnswerHeader.Get(api.ReplayedHeader) != "" {
		t.Errorf("another operator's: %d %s", e.Status, e.Answer)
	}
	w.expectMoney(125_00, 0, 0)
}

func TestParametersOfStrangersAreNotRepeated(t *testing.T) {
	w := openWorld(t)
	token := w.token(w.kiosk.Key)
	p := w.sent(w.kiosk, cardNumber, 1250)
	for _, tc := range []struct {
		path   string
		status int
		code   string
	}{
		{"/canary", 404, "not_found"},
		{"/v1/canary", 404, "not_found"},
		{"/v1/payments/", 404, "not_found"},
		{"/v1/payments/canary", 404, "unknown_payment"},
		{"/v1/payments/canary%00canary", 404, "unknown_payment"},
		{"/v1/payments/" + strings.Repeat(canary, 100), 404, "not_found"},
		{"/v1/payments/" + string(p.ID()) + "?canary=1", 400, "unknown_field"},
		{"/v1/payments/" + string(p.ID()) + "?wait=canary", 400, "invalid_field"},
		{"/v1/payments/" + string(p.ID()) + "?wait=26", 400, "invalid_field"},
		{"/v1/payments/" + string(p.ID()) + "?wait=-1", 400, "invalid_field"},
		{"/v1/payments/" + string(p.ID()) + "?wait=1&wait=2", 400, "duplicate_field"},
		{"/v1/payments/" + string(p.ID()) + "?canary%zz", 400, "malformed"},
		{"/v1/payments?role=canary", 400, "invalid_field"},
		{"/v1/payments?role=payee", 400, "invalid_field"},
		{"/v1/payments?state=canary", 400, "invalid_field"},
		{"/v1/payments?before=canary", 400, "invalid_field"},
		{"/v1/payments?before=1.canary", 400, "invalid_field"},
		{"/v1/payments?limit=0", 400, "invalid_field"},
		{"/v1/payees/canary@shop", 404, "unknown_payee"},
		{"/v1/payees/canary", 404, "unknown_payee"},
		{"/v1/cards/canary", 404, "unknown_card"},
	} {
		expectRefusal(t, tc.path, w.get(tc.path, token), tc.status, tc.code)
	}
	e := w.send("GET", "/v1/events", "", "", "Authorization", "Bearer "+token, "Last-Event-ID", canary)
	expectRefusal(t, "Last-Event-ID", e, 400, "invalid_field")
	e = w.send("DELETE", "/v1/payments/"+string(p.ID()), "", "", "Authorization", "Bearer "+token)
	expectRefusal(t, "DELETE", e, 405, "method_not_allowed")
	for _, form := range []string{"", canary, "grant_type=canary", "grant_type=client_credentials&client_assertion=canary", "%zz" + canary} {
		e := w.post("/v1/token", "application/x-www-form-urlencoded", form)
		if e.Status != 400 && e.Status != 401 || strings.Contains(e.Answer, canary) {
			t.Errorf("token for %q: %d %s", form, e.Status, e.Answer)
		}
	}
}

func TestACapturedInstructionMakesNoSecondPayment(t *testing.T) {
	w := openWorld(t)
	before := w.wire.count()
	p := w.sent(w.kiosk, cardNumber, 1250)
	var captured exchange
	for _, e := range w.wire.since(before) {
		if e.Path == "/v1/payments" && e.Method == "POST" {
			captured = e
		}
	}
	replay := func(when string) {
		t.Helper()
		w.unchanged(func() {
			for name, header := range map[string][]string{
				"as it is": nil, "with another device's token": {"Authorization", "Bearer " + w.token(w.phone.Key)},
				"with an operator's token": {"Authorization", "Bearer " + w.token(w.operator.Key)}, "with the payee's key": {"Authorization", "Bearer " + w.shop.APIKey},
				"under another key": {api.IdempotencyHeader, "another"},
				"under other headers": {"User-Agent", "x", "Origin", "https://shop.example", "Cookie", "a=b", "X-Forwarded-For", "203.0.113.7",
					"X-Forwarded-Prefix", "/other", "X-Original-URL", "/v1/other", "X-HTTP-Method-Override", "PUT"},
				"with a charset": {"Content-Type", api.ContentJWS + "; charset=utf-8"},
			} {
				e := w.post("/v1/payments", api.ContentJWS, captured.Request, header...)
				if e.Status != 201 || e.Answer != captured.Answer || e.AnswerHeader.Get(api.ReplayedHeader) != "true" {
					t.Errorf("%s, %s: %d %s", when, name, e.Status, e.Answer)
				}
			}
			for _, path := range []string{"/v1//payments", "/v1/payments/", "/V1/payments", "/v1/./payments", "/v1/x/../payments", "/v2/payments", "/payments", "/live/v1/payments", "/v1/admin/payments"} {
				if e := w.post(path, api.ContentJWS, captured.Request); e.Status != 404 && e.Status != 405 {
					t.Errorf("%s at %s: %d %s", when, path, e.Status, e.Answer)
				}
			}
			for _, path := range []string{"/v1/devices", "/v1/cards/activate", "/v1/payments/" + string(p.ID()) + "/cancel", "/v1/payments/" + string(p.ID()) + "/authentication"} {
				expectRefusal(t, when+" at "+path, w.post(path, api.ContentJWS, captured.Request), 400, "wrong_message_type")
			}
		})
	}
	replay("while it waits")
	_, err := p.Authenticate(w.ctx, rightPIN)
	w.must(err)
	s, err := p.Statement()
	w.must(err)
	_, err = p.Confirm(w.ctx, s)
	w.must(err)
	replay("while it is held")
	_, err = w.approval(p).Approve(w.ctx, consent.Code(p.View().Code))
	w.must(err)
	replay("after it settled")
	w.expectMoney(87_50, 0, 12_50)
	w.clock.Advance(consent.MaxSkew + time.Second)
	expectRefusal(t, "later", w.post("/v1/payments", api.ContentJWS, captured.Request), 401, "stale")
	if n := len(w.dump()["payments"]); n != 1 {
		t.Errorf("there are %d payments", n)
	}
}

// steps walks a payment of the kiosk through its whole life with both confirmations, and calls after each step.
func (w *world) steps(after func(state string, p *device.Payment)) *device.Payment {
	w.t.Helper()
	p := w.sent(w.kiosk, cardNumber, 1250)
	after("authentication_required", p)
	_, err := p.Authenticate(w.ctx, rightPIN)
	w.must(err)
	after("confirmation_required", p)
	s, err := p.Statement()
	w.must(err)
	_, err = p.Confirm(w.ctx, s)
	w.must(err)
	after("approval_required", p)
	a := w.approval(p)
	_, err = a.Approve(w.ctx, wrongCode(p.View().Code))
	expectProblem(w.t, err, "wrong_code")
	after("approval_required, a wrong code later", p)
	_, err = a.Approve(w.ctx, consent.Code(p.View().Code))
	w.must(err)
	after("settled", p)
	return p
}

// tokens are all the ways of not being allowed to see a payment of the kiosk, with what they get for one.
func (w *world) tokens() map[string]struct {
	header []string
	status int
	code   string
} {
	w.t.Helper()
	other, err := w.operator.AddPayee(w.ctx, api.NewPayee{Handle: "other@shop", Name: "Other Shop", Currency: "CNY"})
	w.must(err)
	expired, err := consent.IssueToken(w.keys, string(w.kiosk.ID()), consent.DeviceToken, w.tokenAudience(), w.clock.Now().Add(-consent.TokenLife))
	w.must(err)
	elsewhere, err := consent.IssueToken(w.keys, string(w.kiosk.ID()), consent.DeviceToken, strings.TrimSuffix(w.audience(), "test")+"live "+testEpoch, w.clock.Now())
	w.must(err)
	lost, err := consent.IssueToken(w.keys, string(w.kiosk.ID()), consent.DeviceToken, w.audience(), w.clock.Now())
	w.must(err)
	unknown, err := consent.IssueToken(w.keys, string(w.newKey().ID()), consent.DeviceToken, w.tokenAudience(), w.clock.Now())
	w.must(err)
	claims := string(payload(w.t, w.token(w.kiosk.Key)))
	none := b64([]byte(`{"alg":"none","typ":"at+jwt","kid":"1"}`)) + "." + b64([]byte(claims)) + "."
	own := forge(w.t, w.kiosk.Key, map[string]any{"alg": "ES256", "typ": "at+jwt", "kid": "1"}, claims)
	type attempt = struct {
		header []string
		status int
		code   string
	}
	bearer := func(token string, status int, code string) attempt {
		return attempt{[]string{"Authorization", "Bearer " + token}, status, code}
	}
	return map[string]attempt{
		"another device's":        bearer(w.token(w.newDevice("other").Key), 404, "unknown_payment"),
		"another payee's":         bearer(other.APIKey, 404, "unknown_payment"),
		"an operator's":           bearer(w.token(w.operator.Key), 403, "wrong_credential"),
		"none":                    {nil, 401, "token_required"},
		"expired":                 bearer(expired, 401, "token_expired"),
		"of the live service":     bearer(elsewhere, 401, "invalid_token"),
		"of the epoch before":     bearer(lost, 401, "invalid_token"),
		"of an unknown device":    bearer(unknown, 401, "invalid_token"),
		"unsigned":                bearer(none, 401, "invalid_token"),
		"signed by the device":    bearer(own, 401, "invalid_token"),
		"the first-start token":   bearer(firstToken, 401, "invalid_token"),
		"an unknown payee's":      bearer(string(consent.NewAPIKey("test")), 401, "invalid_token"),
		"a payee's of live":       bearer(string(consent.NewAPIKey("live")), 401, "wrong_environment"),
		"a word":                  bearer(canary, 401, "invalid_token"),
		"two words":               bearer(canary+" "+canary, 401, "invalid_token"),
		"of another scheme":       {[]string{"Authorization", "Basic " + canary}, 401, "invalid_token"},
		"longer than any":         bearer(strings.Repeat(canary, 1000), 401, "invalid_token"),
		"of the associated phone": bearer(w.token(w.phone.Key), 404, "unknown_payment"),
	}
}

func TestWhoMayNotSeeAPaymentCannotTellThatItExists(t *testing.T) {
	w := openWorld(t)
	nothing := string(consent.NewPaymentID())
	attempts := w.tokens()
	w.steps(func(state string, p *device.Payment) {
		for name, a := range attempts {
			if name == "of the associated phone" && strings.HasPrefix(state, "approval") || state == "settled" && strings.HasSuffix(name, "phone") {
				continue // it is asked now
			}
			for _, path := range []string{"", "/receipt", "?wait=1&after=0"} {
				there := w.send("GET", "/v1/payments/"+string(p.ID())+path, "", "", a.header...)
				expectRefusal(t, state+", token "+name, there, a.status, a.code)
				absent := w.send("GET", "/v1/payments/"+nothing+path, "", "", a.header...)
				if diff := cmp.Diff(absent.plain(), there.plain()); diff != "" {
					t.Errorf("%s, token %s: a payment differs from none (-none +there):\n%s", state, name, diff)
				}
			}
		}
		w.strangersWrites(state, p.ID(), consent.PaymentID(nothing))
		key := strings.TrimPrefix(attempts["another payee's"].header[1], "Bearer ")
		w.payeesCancel(state, key, p.ID(), consent.PaymentID(nothing))
		if early := state == "authentication_required" || state == "confirmation_required"; early {
			w.payeesCancel(state, w.shop.APIKey, p.ID(), consent.PaymentID(nothing))
		}
	})
}

// payeesCancel wants a payee that may not see a payment to be told, when it cancels it, that there is none.
func (w *world) payeesCancel(state, key string, there, absent consent.PaymentID) {
	w.t.Helper()
	w.unchanged(func() {
		var answers []string
		for _, id := range []consent.PaymentID{absent, there} {
			e := w.post("/v1/payments/"+string(id)+"/cancel", "", "", "Authorization", "Bearer "+key, api.IdempotencyHeader, consent.NewID())
			expectRefusal(w.t, state+", a payee's cancellation", e, 404, "unknown_payment")
			answers = append(answers, e.plain())
		}
		if diff := cmp.Diff(answers[0], answers[1]); diff != "" {
			w.t.Errorf("%s, a payee's cancellation: a payment differs from none (-none +there):\n%s", state, diff)
		}
	})
}

// strangersWrites wants every write of a stranger about a payment to be answered as if there were none.
func (w *world) strangersWrites(state string, there, absent consent.PaymentID) {
	w.t.Helper()
	stranger := w.newKey()
	_, err := (&device.Client{URL: w.url, Key: stranger, Now: w.clock.Now}).Register(w.ctx, "stranger")
	w.must(err)
	for path, message := range map[string]func(consent.PaymentID) (consent.Typ, any){
		"authentication": func(id consent.PaymentID) (consent.Typ, any) {
			return consent.TypAuthentication, &consent.Authentication{Claims: w.claims(), Payment: id, PIN: rightPIN}
		},
		"confirmation": func(id consent.PaymentID) (consent.Typ, any) {
			return consent.TypConfirmation, &consent.Decision{Claims: w.claims(), Payment: id, Decision: consent.Decline}
		},
		"approval": func(id consent.PaymentID) (consent.Typ, any) {
			return consent.TypApproval, &consent.Decision{Claims: w.claims(), Payment: id, Decision: consent.NotMe}
		},
		"cancel": func(id consent.PaymentID) (consent.Typ, any) {
			return consent.TypCancellation, &consent.Cancellation{Claims: w.claims(), Payment: id}
		},
	} {
		w.unchanged(func() {
			var answers []string
			for _, id := range []consent.PaymentID{absent, there} {
				typ, m := message(id)
				e := w.post("/v1/payments/"+string(id)+"/"+path, api.ContentJWS, w.signed(stranger, typ, m))
				expectRefusal(w.t, state+", a stranger's "+path, e, 404, "unknown_payment")
				answers = append(answers, e.plain())
			}
			if diff := cmp.Diff(answers[0], answers[1]); diff != "" {
				w.t.Errorf("%s, a stranger's %s: a payment differs from none (-none +there):\n%s", state, path, diff)
			}
		})
	}
}

// told collects all that somebody can read: the answers about a payment, and every event so far.
func (w *world) told(who processor.Principal, token string, id consent.PaymentID) []exchange {
	w.t.Helper()
	var all []exchange
	for _, path := range []string{"/v1/payments/" + string(id), "/v1/payments/" + string(id) + "/receipt", "/v1/payments", "/v1/payments?role=approver"} {
		all = append(all, w.get(path, token))
	}
	return append(all, w.events(who, token))
}

// events is an event stream from the beginning to the newest event, with status and headers.
func (w *world) events(who processor.Principal, token string) exchange {
	w.t.Helper()
	var last []processor.Event
	w.must(w.store.View(w.ctx, func(r processor.Reader) (err error) {
		last, _, err = r.Events(0, 10_000, who)
		return err
	}))
	ctx, cancel := context.WithTimeout(w.ctx, 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+"/v1/events", nil)
	w.must(err)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Last-Event-ID", "0")
	answer, err := http.DefaultTransport.RoundTrip(r)
	w.must(err)
	defer answer.Body.Close()
	e := exchange{Method: "GET", Path: "/v1/events", Status: answer.StatusCode, AnswerHeader: answer.Header}
	lines := bufio.NewScanner(answer.Body)
	for told := -1; told < len(last) && lines.Scan(); {
		e.Answer += lines.Text() + "\n"
		if lines.Text() == "" {
			told++ // the first block is none
		}
	}
	w.must(lines.Err())
	return e
}

// keysIn are the names of all fields in a JSON text, and values all its texts, those of signed texts inside included.
func keysIn(t testing.TB, text string) (keys, values []string) {
	t.Helper()
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				keys = append(keys, name)
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		case string:
			values = append(values, v)
			if strings.Count(v, ".") == 2 && strings.HasPrefix(v, "eyJ") {
				v = string(payload(t, v))
			}
			var inner any
			if strings.HasPrefix(v, "{") && json.Unmarshal([]byte(v), &inner) == nil {
				walk(inner)
			}
		}
	}
	for _, part := range strings.Split(text, "\n") {
		var v any
		if json.Unmarshal([]byte(strings.TrimPrefix(part, "data: ")), &v) == nil {
			walk(v)
		}
	}
	return keys, values
}

// notFor wants none of some fields and values in what somebody was told.
func notFor(t *testing.T, who string, all []exchange, fields, secrets []string) {
	t.Helper()
	for _, e := range all {
		keys, values := keysIn(t, e.Answer)
		for _, field := range fields {
			if slices.Contains(keys, field) && (field != "code" || e.Status < 400) {
				t.Errorf("%s was told %s at %s: %s", who, field, e.Path, e.Answer)
			}
		}
		for _, v := range append(values, e.Answer) {
			for _, secret := range secrets {
				if strings.Contains(v, secret) {
					t.Errorf("%s was told %q at %s: %s", who, secret, e.Path, e.Answer)
				}
			}
		}
	}
}

func TestThePayeeIsToldNoCardDeviceCodeOrStatement(t *testing.T) {
	w := openWorld(t)
	var all []exchange
	var seen []string
	settled := w.steps(func(state string, p *device.Payment) {
		told := w.told(processor.PayeePrincipal("books@shop"), w.shop.APIKey, p.ID())
		all = append(all, told...)
		seen = append(seen, fmt.Sprint(state, " ", told[0].Status, " ", told[1].Status, " ", strings.Count(told[4].Answer, "data:")))
	})
	want := []string{
		"authentication_required 404 404 0", "confirmation_required 404 404 0", "approval_required 200 409 1",
		"approval_required, a wrong code later 200 409 2", "settled 200 200 3",
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("state, status of the payment, status of the receipt, events (-want +got):\n%s", diff)
	}
	var rows processor.Rows
	w.must(w.store.View(w.ctx, func(r processor.Reader) (err error) {
		rows, err = r.Load(processor.Wants{Payments: []payment.ID{payment.ID(settled.ID())}})
		return err
	}))
	notFor(t, "the payee", all, []string{
		"card_account", "card_label", "statement", "code", "nonce", "initiating_device", "initiating_device_label", "associated_device",
	}, []string{
		cardNumber.Masked(), string(cardNumber), rows.Payments[0].Nonce, "Campus card", w.card.ID, w.card.Account,
		string(w.phone.ID()), string(w.kiosk.ID()), "phone", "kiosk",
	})
	if r := all[len(all)-4]; !strings.Contains(r.Answer, `"receipt"`) || r.Status != 200 {
		t.Errorf("the receipt of %s: %d %s", settled.ID(), r.Status, r.Answer)
	}
}

func TestTheApproverIsToldNothingBeforeTheFirstConfirmationAndNeverTheCode(t *testing.T) {
	w := openWorld(t)
	var all []exchange
	var code string
	absent := w.get("/v1/payments/"+string(consent.NewPaymentID()), w.token(w.phone.Key))
	w.steps(func(state string, p *device.Payment) {
		told := w.told(processor.DevicePrincipal(payment.DeviceID(w.phone.ID())), w.token(w.phone.Key), p.ID())
		all = append(all, told...)
		asked := strings.HasPrefix(state, "approval")
		if early := !asked && state != "settled"; early && (told[0].plain() != absent.plain() ||
			strings.Contains(told[3].Answer, string(p.ID())) || strings.Contains(told[4].Answer, string(p.ID()))) {
			t.Errorf("%s: the approver was told of the payment: %+v", state, told)
		}
		if has := strings.Contains(told[0].Answer, `"statement"`); has != asked {
			t.Errorf("%s: the approver has a statement: %v", state, has)
		}
		if p.View().Code != "" {
			code = p.View().Code
		}
	})
	if len(code) != 2 {
		t.Fatalf("the initiator was told the code %q", code)
	}
	for _, e := range w.wire.since(0) {
		if strings.Contains(e.Answer, `"role":"approver"`) || strings.HasSuffix(e.Path, "/approval") {
			all = append(all, e)
		}
	}
	for _, e := range all {
		keys, values := keysIn(t, e.Answer)
		if e.Status < 400 && slices.Contains(keys, "code") || slices.Contains(values, code) || slices.Contains(keys, "approval_code") {
			t.Errorf("the approver was told the code at %s: %s", e.Path, e.Answer)
		}
	}
}

func TestEachStatementIsGoodForItsOwnConfirmationOnly(t *testing.T) {
	w := openWorld(t)
	p, other := w.authenticated(w.kiosk, 1250), w.confirmed(w.kiosk, 700)
	first, second := p.View().Statement, w.approval(other).View.Statement
	code := consent.Code(other.View().Code)
	for _, tc := range []struct {
		name, path      string
		typ             consent.Typ
		by              *device.Client
		about           *device.Payment
		statement, code string
		digits          consent.Code
	}{
		{"another payment's second at confirmation", "confirmation", consent.TypConfirmation, w.kiosk, p, second, "statement_mismatch", ""},
		{"its first at approval", "approval", consent.TypApproval, w.phone, other, w.firstStatement(other), "statement_mismatch", code},
		{"another's first at approval", "approval", consent.TypApproval, w.phone, other, first, "statement_mismatch", code},
		{"its second at confirmation", "confirmation", consent.TypConfirmation, w.kiosk, other, second, "not_now", ""},
		{"its first at approval, too early", "approval", consent.TypApproval, w.phone, p, first, "unknown_payment", code},
		{"a confirmation at approval", "approval", consent.TypConfirmation, w.phone, other, second, "wrong_message_type", ""},
		{"an approval at confirmation", "confirmation", consent.TypApproval, w.kiosk, p, first, "wrong_message_type", ""},
		{"a code at confirmation", "confirmation", consent.TypConfirmation, w.kiosk, p, first, "invalid_field", code},
	} {
		w.unchanged(func() {
			e := w.decide(tc.by, tc.path, tc.typ, tc.about, tc.statement, tc.digits)
			if got := e.problem(t).Code; got != tc.code {
				t.Errorf("%s: %d %s, want %s", tc.name, e.Status, got, tc.code)
			}
		})
	}
	// A signed confirmation of one payment, sent to another.
	compact := w.signed(w.kiosk.Key, consent.TypConfirmation, &consent.Decision{
		Claims: w.claims(), Payment: p.ID(), Decision: consent.Approve, Statement: first,
	})
	w.unchanged(func() {
		for _, id := range []consent.PaymentID{other.ID(), consent.NewPaymentID()} {
			expectRefusal(t, "elsewhere", w.post("/v1/payments/"+string(id)+"/confirmation", api.ContentJWS, compact), 400, "id_mismatch")
		}
	})
	w.expectMoney(100_00, 7_00, 0)
}

func TestOnlyTheFrozenAssociatedDeviceApproves(t *testing.T) {
	w := openWorld(t)
	p := w.confirmed(w.kiosk, 1250)
	statement, code := w.approval(p).View.Statement, consent.Code(p.View().Code)
	// The thief has all but the phone's key: statement, code, and the phone's id.
	m := &consent.Decision{Claims: w.claims(), Payment: p.ID(), Decision: consent.Approve, Statement: statement, Code: code}
	path := "/v1/payments/" + string(p.ID()) + "/approval"
	w.unchanged(func() {
		claimed := forge(t, w.kiosk.Key, headerOf(w.phone.Key, consent.TypApproval), string(payload(t, w.signed(w.kiosk.Key, consent.TypApproval, m))))
		expectRefusal(t, "the phone's kid", w.post(path, api.ContentJWS, claimed), 401, "bad_signature")
		expectRefusal(t, "the initiator itself", w.post(path, api.ContentJWS, w.signed(w.kiosk.Key, consent.TypApproval, m)), 404, "unknown_payment")
		thief := w.newKey()
		expectRefusal(t, "a key nobody knows", w.post(path, api.ContentJWS, w.signed(thief, consent.TypApproval, m)), 401, "unknown_key")
	})
	// Another device of the same person becomes the associated device: what was open ends, and is not the new one's.
	tablet := w.newDevice("tablet")
	_, err := w.phone.Rebind(w.ctx, consent.CardID(w.card.ID), tablet.ID())
	w.must(err)
	w.expectState(p, payment.Cancelled)
	w.unchanged(func() {
		e := w.decide(tablet, "approval", consent.TypApproval, p, statement, code)
		expectRefusal(t, "the new associated device", e, 404, "unknown_payment")
		expectRefusal(t, "the old associated device", w.decide(w.phone, "approval", consent.TypApproval, p, statement, code), 409, "ended")
		absent := w.get("/v1/payments/"+string(consent.NewPaymentID()), w.token(tablet.Key))
		if there := w.get("/v1/payments/"+string(p.ID()), w.token(tablet.Key)); there.plain() != absent.plain() {
			t.Errorf("the new associated device sees it: %s", there.plain())
		}
	})
	w.expectMoney(100_00, 0, 0)
}

func TestADeviceCannotSendAsTheAssociatedOne(t *testing.T) {
	w := openWorld(t)
	// Were it believed, no second confirmation would be asked for.
	claimed := w.instruction(w.phone)
	w.unchanged(func() {
		for name, tc := range map[string]struct{ compact, code string }{
			"device claimed":           {forge(t, w.kiosk.Key, headerOf(w.kiosk.Key, consent.TypInstruction), claimed), "unknown_key"},
			"kid claimed":              {forge(t, w.kiosk.Key, headerOf(w.phone.Key, consent.TypInstruction), w.instruction(w.kiosk)), "bad_signature"},
			"both claimed":             {forge(t, w.kiosk.Key, headerOf(w.phone.Key, consent.TypInstruction), claimed), "bad_signature"},
			"the phone's, other's kid": {forge(t, w.phone.Key, headerOf(w.kiosk.Key, consent.TypInstruction), claimed), "bad_signature"},
		} {
			expectRefusal(t, name, w.post("/v1/payments", api.ContentJWS, tc.compact), 401, tc.code)
		}
		thief, label := w.newKey(), `{"aud":"`+w.audience()+`","iat":`+fmt.Sprint(w.clock.Now().Unix())+`,"jti":"`+consent.NewID()+`","label":"phone"}`
		header := headerOf(w.phone.Key, consent.TypDevice)
		header["jwk"] = json.RawMessage(thief.Public().JWK())
		expectRefusal(t, "a registration of the phone's id", w.post("/v1/devices", api.ContentJWS, forge(t, thief, header, label)), 401, "unknown_key")
		header["jwk"] = json.RawMessage(w.phone.Key.Public().JWK())
		expectRefusal(t, "a registration of the phone's key", w.post("/v1/devices", api.ContentJWS, forge(t, thief, header, label)), 401, "bad_signature")
	})
}

// hostile are texts that a person would not see as what they are.
func hostile() map[string]string {
	return map[string]string{
		"another direction": canary + "\u202e0052 owt", "isolated direction": canary + "\u2067x\u2069", "zero width": "can\u200bary " + canary,
		"a control character": canary + "\x07", "a line": canary + "\n" + canary, "an escape": "\x1b[2J" + canary, "nothing": canary + "\x00",
		"a line separator": canary + "\u2028" + canary, "a tag character": canary + "\U000e0041", "private use": canary + "\ue000",
		"a heap of marks": canary + strings.Repeat("\u0301", 20), "10 kB": strings.Repeat(canary+" ", 1500), "a soft hyphen": canary + "\u00ad",
	}
}

func TestHostileTextIsRefused(t *testing.T) {
	w := openWorld(t)
	bearer := "Bearer " + w.token(w.operator.Key)
	for name, text := range hostile() {
		quoted, err := json.Marshal(text)
		w.must(err)
		w.unchanged(func() {
			for _, part := range []string{`"1042"`, `"Two books"`} {
				m := w.spoil(w.instruction(w.kiosk), part, string(quoted))
				e := w.post("/v1/payments", api.ContentJWS, forge(t, w.kiosk.Key, headerOf(w.kiosk.Key, consent.TypInstruction), m))
				expectRefusal(t, name+" for "+part, e, 400, "invalid_field")
			}
			key := w.newKey()
			e := w.post("/v1/devices", api.ContentJWS, w.signed(key, consent.TypDevice, &consent.DeviceRegistration{Claims: w.claims(), Label: text}))
			expectRefusal(t, name+" for a device's label", e, 400, "invalid_field")
			for path, body := range map[string]string{
				"/v1/admin/cards":  `{"account_number":"6200000000000013","label":` + string(quoted) + `,"currency":"CNY"}`,
				"/v1/admin/payees": `{"handle":"a@shop","name":` + string(quoted) + `,"currency":"CNY"}`,
				"/v1/admin/accounts/" + w.card.Account + "/top-ups": `{"amount":{"minor":1,"currency":"CNY"},"note":` + string(quoted) + `}`,
				"/v1/admin/operators":                               `{"name":` + string(quoted) + `,"public_key":` + string(key.Public().JWK()) + `}`,
			} {
				e := w.post(path, "application/json", body, "Authorization", bearer, api.IdempotencyHeader, consent.NewID())
				code := e.problem(t).Code
				if code != "text_not_shown" {
					code = "invalid_field" // too long for the field
				}
				expectRefusal(t, name+" at "+path, e, 400, code)
			}
		})
	}
}

func TestMarkupIsTextAndNeverSentAsMarkup(t *testing.T) {
	w := openWorld(t)
	const markup = `<script>alert("1")</script>&<img src=x onerror=alert(1)>`
	kiosk := w.newDevice(`<b>kiosk</b>`)
	payee, err := kiosk.Payee(w.ctx, "books@shop")
	w.must(err)
	order, err := kiosk.Order(cny(1250), payee, consent.Order{Number: "<i>1</i>", Description: markup})
	w.must(err)
	draft, err := order.Tap(cardNumber)
	w.must(err)
	p, err := draft.Send(w.ctx)
	w.must(err)
	_, err = p.Authenticate(w.ctx, rightPIN)
	w.must(err)
	s, err := p.Statement()
	w.must(err)
	_, err = p.Confirm(w.ctx, s)
	w.must(err)
	a := w.approval(p)
	if a.Statement.OrderText != markup || a.View.DeviceLabel != "<b>kiosk</b>" || a.View.Order.Description != markup {
		t.Errorf("the approver is shown %q, %q, %q", a.Statement.OrderText, a.View.Order.Description, a.View.DeviceLabel)
	}
	w.get("/v1/payments/"+string(p.ID()), w.shop.APIKey)
	for _, e := range append(w.wire.since(0), w.get("/v1/payments", w.shop.APIKey)) {
		if strings.ContainsAny(e.Answer, "<>") || e.AnswerHeader.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.Contains(e.AnswerHeader.Get("Content-Type"), "json") {
			t.Errorf("%s %s could be taken for markup: %s %s", e.Method, e.Path, e.AnswerHeader.Get("Content-Type"), e.Answer)
		}
	}
}

// together runs n attempts at the same time and counts their answers: "200", or the problem's code.
func together(t testing.TB, n int, attempt func(i int) exchange) map[string]int {
	t.Helper()
	answers := make([]exchange, n)
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		ready.Add(1)
		done.Go(func() { ready.Done(); <-start; answers[i] = attempt(i) })
	}
	ready.Wait()
	close(start)
	done.Wait()
	counts := map[string]int{}
	for _, e := range answers {
		if e.Status < 300 {
			counts[fmt.Sprint(e.Status)]++
		} else {
			counts[e.problem(t).Code]++
		}
	}
	return counts
}

func TestFiftyApprovalsAtOnceSettleOnce(t *testing.T) {
	w := openWorld(t)
	p := w.confirmed(w.kiosk, 1250)
	statement, code := w.approval(p).View.Statement, consent.Code(p.View().Code)
	got := together(t, 50, func(int) exchange {
		return w.decide(w.phone, "approval", consent.TypApproval, p, statement, code)
	})
	if diff := cmp.Diff(map[string]int{"200": 1, "ended": 49}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	w.expectMoney(87_50, 0, 12_50)
}

func TestFiftyConfirmationsAtOnceHoldOnce(t *testing.T) {
	w := openWorld(t)
	p := w.authenticated(w.kiosk, 1250)
	got := together(t, 50, func(int) exchange {
		return w.decide(w.kiosk, "confirmation", consent.TypConfirmation, p, p.View().Statement, "")
	})
	if diff := cmp.Diff(map[string]int{"200": 1, "not_now": 49}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	w.expectMoney(100_00, 12_50, 0)
}

// cancel is a signed cancellation by the initiator.
func (w *world) cancel(p *device.Payment) exchange {
	return w.post("/v1/payments/"+string(p.ID())+"/cancel", api.ContentJWS,
		w.signed(w.kiosk.Key, consent.TypCancellation, &consent.Cancellation{Claims: w.claims(), Payment: p.ID()}))
}

func TestFiftyCancellationsAtOnceReleaseOnce(t *testing.T) {
	w := openWorld(t)
	p := w.confirmed(w.kiosk, 1250)
	got := together(t, 50, func(int) exchange { return w.cancel(p) })
	if diff := cmp.Diff(map[string]int{"200": 1, "too_late": 49}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	w.expectState(p, payment.Cancelled)
	w.expectMoney(100_00, 0, 0)
}

func TestApprovalsDeclinesAndCancellationsAtOnceHaveOneEffect(t *testing.T) {
	w := openWorld(t)
	balance, paid := int64(100_00), int64(0)
	for range 5 {
		p := w.confirmed(w.kiosk, 500)
		statement, code := w.approval(p).View.Statement, consent.Code(p.View().Code)
		got := together(t, 51, func(i int) exchange {
			switch i % 3 {
			case 0:
				return w.cancel(p)
			case 1:
				return w.decide(w.phone, "approval", consent.TypApproval, p, statement, code)
			}
			return w.post("/v1/payments/"+string(p.ID())+"/approval", api.ContentJWS, w.signed(w.phone.Key, consent.TypApproval,
				&consent.Decision{Claims: w.claims(), Payment: p.ID(), Decision: consent.Decline}))
		})
		if got["200"] != 1 || got["ended"]+got["too_late"] != 50 {
			t.Errorf("answers: %v, want one 200", got)
		}
		switch state := w.state(p); state {
		case "settled":
			balance, paid = balance-500, paid+500
		case "cancelled", "declined":
		default:
			t.Errorf("the payment is %s", state)
		}
		w.expectMoney(balance, 0, paid)
	}
}

func TestTwentyPaymentsAtOnceSpendACardOnce(t *testing.T) {
	w := openWorld(t)
	var all []*device.Payment
	for range 20 {
		all = append(all, w.authenticated(w.phone, 1000))
	}
	got := together(t, 20, func(i int) exchange {
		return w.decide(w.phone, "confirmation", consent.TypConfirmation, all[i], all[i].View().Statement, "")
	})
	if diff := cmp.Diff(map[string]int{"200": 10, "insufficient_funds": 10}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	states := map[string]int{}
	for _, p := range all {
		states[w.state(p)]++
	}
	if diff := cmp.Diff(map[string]int{"settled": 10, "rejected": 10}, states); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	w.expectMoney(0, 0, 100_00)
}
