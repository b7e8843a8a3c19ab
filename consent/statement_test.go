package consent

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tapline/money"
)

func statement() Statement {
	s := Statement{
		Version: StatementVersion, Payment: "pay_AAAAAAAAAAAAAAAAAAAAAA", Role: First,
		Amount: money.Amount{Minor: 1250, Currency: "CNY"}, AmountText: "12.50 CNY",
		PayeeHandle: "shop@example", PayeeName: "Tea & <Cakes> 茶馆", PayeeAccount: "acct_shop",
		CardAccount: "•••• 4444", CardLabel: "my \"blue\" card",
		Device: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", DeviceLabel: "laptop",
		OrderNumber: "A-1", OrderText: "two cups of tea", Nonce: "1.AAAAAAAAAAAAAAAAAAAAAA", ExpiresAt: At(now),
	}
	s.OrderHash = OrderHash(Order{Number: s.OrderNumber, Description: s.OrderText}, s.Amount, s.PayeeHandle)
	return s
}

func rehearsalStatement() Statement {
	s := statement()
	s.Version, s.Rehearsal, s.AmountText = RehearsalVersion, true, "REHEARSAL, no money moves: 12.50 CNY"
	return s
}

func secondStatement() Statement {
	s := statement()
	s.FirstDigest = StatementDigest(s.Text())
	s.Role = Second
	return s
}

// The texts below are a contract with every device: a change of one byte needs a new StatementVersion.
const (
	goldenFirst = `{"v":"tapline-statement/1","payment":"pay_AAAAAAAAAAAAAAAAAAAAAA","role":"first",` +
		`"amount":{"minor":1250,"currency":"CNY"},"amount_text":"12.50 CNY","payee_handle":"shop@example",` +
		`"payee_name":"Tea & <Cakes> 茶馆","payee_account":"acct_shop","card_account":"•••• 4444",` +
		`"card_label":"my \"blue\" card","initiating_device":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",` +
		`"initiating_device_label":"laptop","order_number":"A-1","order_description":"two cups of tea",` +
		`"order_hash":"vhG0kLIbdUu0gHdz2L7SvhNaG0_5VzxjekffcoRaif8","nonce":"1.AAAAAAAAAAAAAAAAAAAAAA",` +
		`"expires_at":"2026-03-04T05:06:07.890Z"}`
	goldenDigest = "hfAw90P2OqKbrjzvoHX5H4jzsHQtzs7gm7eH-pi_S6s"
)

func TestStatementTextIsGolden(t *testing.T) {
	first := statement()
	if got := first.Text(); got != goldenFirst {
		t.Errorf("first:\n got %s\nwant %s", got, goldenFirst)
	}
	if got := StatementDigest(first.Text()); got != goldenDigest {
		t.Errorf("digest is %s, want %s", got, goldenDigest)
	}
	want := strings.Replace(strings.TrimSuffix(goldenFirst, "}"), `"first"`, `"second"`, 1) +
		`,"first_digest":"` + goldenDigest + `"}`
	if got := secondStatement().Text(); got != want {
		t.Errorf("second:\n got %s\nwant %s", got, want)
	}
}

// A rehearsal's text differs in three places, each of which is enough to tell it: for a program that knows rehearsals, for
// one that knows the version only, and for a person who is shown the amount.
func TestRehearsalsTextIsGolden(t *testing.T) {
	want := goldenFirst
	for _, change := range [][2]string{
		{`"v":"tapline-statement/1"`, `"v":"tapline-rehearsal/1"`},
		{`"role":"first",`, `"role":"first","rehearsal":true,`},
		{`"12.50 CNY"`, `"REHEARSAL, no money moves: 12.50 CNY"`},
	} {
		want = strings.Replace(want, change[0], change[1], 1)
	}
	if got := rehearsalStatement().Text(); got != want {
		t.Errorf("rehearsal:\n got %s\nwant %s", got, want)
	}
	if StatementDigest(want) == goldenDigest {
		t.Error("a rehearsal has the payment's digest")
	}
}

func feeStatement() Statement { return statement().WithFee(money.Amount{Minor: 30, Currency: "CNY"}) }

// A statement with a fee for the payer differs in three places, too.
func TestAFeesTextIsGolden(t *testing.T) {
	want := goldenFirst
	for _, change := range [][2]string{
		{`"v":"tapline-statement/1"`, `"v":"tapline-statement/2"`},
		{`"12.50 CNY",`, `"12.80 CNY (12.50 CNY + 0.30 CNY fee)","fee":{"minor":30,"currency":"CNY"},"total":{"minor":1280,"currency":"CNY"},`},
	} {
		want = strings.Replace(want, change[0], change[1], 1)
	}
	if got := feeStatement().Text(); got != want {
		t.Errorf("with a fee:\n got %s\nwant %s", got, want)
	}
	rehearsed := rehearsalStatement().WithFee(money.Amount{Minor: 30, Currency: "CNY"})
	if rehearsed.Version != FeeRehearsalVersion || rehearsed.AmountText != "REHEARSAL, no money moves: 12.80 CNY (12.50 CNY + 0.30 CNY fee)" {
		t.Errorf("a rehearsal with a fee says %s: %s", rehearsed.Version, rehearsed.AmountText)
	}
	if got := feeStatement().Paid(); got != (money.Amount{Minor: 1280, Currency: "CNY"}) || statement().Paid() != statement().Amount {
		t.Errorf("the payer pays %v", got)
	}
}

func TestStatementsWhoseFeeDoesNotAddUpAreRefused(t *testing.T) {
	for name, change := range map[string]func(s *Statement){
		"version of none":       func(s *Statement) { s.Version = StatementVersion },
		"version of a fee":      func(s *Statement) { *s = statement(); s.Version = FeeStatementVersion },
		"a rehearsal's version": func(s *Statement) { s.Version = FeeRehearsalVersion },
		"text without the fee":  func(s *Statement) { s.AmountText = s.Amount.String() },
		"text of another fee": func(s *Statement) {
			s.AmountText = statement().WithFee(money.Amount{Minor: 20, Currency: "CNY"}).AmountText
		},
		"another total":      func(s *Statement) { s.Total.Minor = 1250 },
		"no total":           func(s *Statement) { s.Total = money.Amount{} },
		"a total and no fee": func(s *Statement) { s.Fee = money.Amount{} },
		"a total alone":      func(s *Statement) { *s = statement(); s.Total = s.Amount },
		"negative fee":       func(s *Statement) { *s = statement().WithFee(money.Amount{Minor: -30, Currency: "CNY"}) },
		"fee of nothing":     func(s *Statement) { *s = statement().WithFee(money.Amount{Currency: "CNY"}) },
		"fee of other money": func(s *Statement) { *s = statement().WithFee(money.Amount{Minor: 30, Currency: "JPY"}) },
		"total too large":    func(s *Statement) { *s = statement().WithFee(money.Amount{Minor: money.MaxMinor, Currency: "CNY"}) },
		"half a rehearsal":   func(s *Statement) { s.Rehearsal = true },
	} {
		s := feeStatement()
		change(&s)
		if got, err := ParseStatement(s.Text()); err == nil {
			t.Errorf("%s: taken: %+v", name, got)
		}
	}
	for _, fee := range []string{`"fee":null,`, `"fee":{},`, `"fee":{"currency":"CNY","minor":30},`, `"fee":{"minor":30,"currency":"CNY","x":1},`} {
		text := strings.Replace(feeStatement().Text(), `"fee":{"minor":30,"currency":"CNY"},`, fee, 1)
		if got, err := ParseStatement(text); err == nil {
			t.Errorf("%s: taken: %+v", fee, got)
		}
	}
}

func TestStatementsThatAreHalfARehearsalAreRefused(t *testing.T) {
	for name, change := range map[string]func(s *Statement){
		"version":                    func(s *Statement) { s.Version = RehearsalVersion },
		"flag":                       func(s *Statement) { s.Rehearsal = true },
		"amount's text":              func(s *Statement) { s.AmountText = AmountText(s.Amount, true) },
		"version and flag":           func(s *Statement) { s.Version, s.Rehearsal = RehearsalVersion, true },
		"version and amount's text":  func(s *Statement) { s.Version, s.AmountText = RehearsalVersion, AmountText(s.Amount, true) },
		"flag and amount's text":     func(s *Statement) { s.Rehearsal, s.AmountText = true, AmountText(s.Amount, true) },
		"another amount in its text": func(s *Statement) { *s = rehearsalStatement(); s.Amount.Minor++ },
	} {
		s := statement()
		change(&s)
		if got, err := ParseStatement(s.Text()); err == nil {
			t.Errorf("%s: taken: %+v", name, got)
		}
	}
	// The flag in any other form than the one.
	for _, flag := range []string{`"rehearsal":false,`, `"rehearsal":"true",`, `"rehearsal":1,`, `"rehearsal":null,`, `"rehearsal":true,"rehearsal":true,`} {
		text := strings.Replace(rehearsalStatement().Text(), `"rehearsal":true,`, flag, 1)
		if got, err := ParseStatement(text); err == nil {
			t.Errorf("%s: taken: %+v", flag, got)
		}
	}
}

func TestStatementReadsBack(t *testing.T) {
	for _, want := range []Statement{statement(), secondStatement(), rehearsalStatement(), feeStatement(), rehearsalStatement().WithFee(feeStatement().Fee)} {
		got, err := ParseStatement(want.Text())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-issued +read\n%s", diff)
		}
	}
}

func TestStatementsWithAnyDoubtAreRefused(t *testing.T) {
	good := statement().Text()
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %s in the statement", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, text := range map[string]string{
		"empty":                 "",
		"null":                  "null",
		"space inside":          replace(`,"role"`, `, "role"`),
		"line end after":        good + "\n",
		"escaped letter":        replace(`laptop`, `l\u0061ptop`),
		"escaped for HTML":      replace(`&`, `\u0026`),
		"fields exchanged":      replace(`"v":"tapline-statement/1","payment":"pay_AAAAAAAAAAAAAAAAAAAAAA"`, `"payment":"pay_AAAAAAAAAAAAAAAAAAAAAA","v":"tapline-statement/1"`),
		"unknown field":         replace(`{`, `{"fee":1,`),
		"field twice":           replace(`"amount_text"`, `"amount_text":"1.00 CNY","amount_text"`),
		"another version":       replace(`tapline-statement/1`, `tapline-statement/2`),
		"amount and its text":   replace(`12.50 CNY`, `1.25 CNY`),
		"amount and order hash": replace(`"minor":1250,"currency":"CNY"},"amount_text":"12.50 CNY"`, `"minor":1251,"currency":"CNY"},"amount_text":"12.51 CNY"`),
		"amount as exponent":    replace(`1250`, `125e1`),
		"whole card number":     replace(`•••• 4444`, `4111222233334444`),
		"role":                  replace(`"first"`, `"third"`),
		"second without first":  replace(`"first"`, `"second"`),
		"first with a digest":   replace(`.890Z"`, `.890Z","first_digest":"`+goldenDigest+`"`),
		"time in another zone":  replace(`.890Z`, `.890+00:00`),
		"time in microseconds":  replace(`.890Z`, `.890000Z`),
		"time in seconds":       replace(`.890Z`, `Z`),
		"day that is none":      replace(`2026-03-04`, `2026-02-30`),
		"time as a number":      replace(`"2026-03-04T05:06:07.890Z"`, `1772600767`),
		"payee turned round":    replace(`Tea &`, "Tea \u202e"),
		"payee not in NFC":      replace(`Tea &`, "Te\u0301a &"),
		"no payee name":         replace(`Tea & <Cakes> 茶馆`, ``),
		"payee handle":          replace(`shop@example`, `SHOP@example`),
		"nonce":                 replace(`1.AAAAAAAAAAAAAAAAAAAAAA`, `1`),
		"device":                replace(`kPrK_`, `kPrK`),
		"huge":                  replace(`laptop`, strings.Repeat("a", MaxMessage)),
	} {
		if _, err := ParseStatement(text); err == nil {
			t.Errorf("%s: taken: %s", name, text)
		}
	}
}

func TestInstantIsUTCInMilliseconds(t *testing.T) {
	shanghai := time.FixedZone("", 8*3600)
	for text, at := range map[string]time.Time{
		"2026-03-04T05:06:07.890Z": now.Add(999 * time.Microsecond).In(shanghai),
		"2026-03-04T05:06:07.000Z": now.Truncate(time.Second),
	} {
		if got := At(at).String(); got != text {
			t.Errorf("At(%v) = %s, want %s", at, got, text)
		}
		var back Instant
		if err := back.UnmarshalText([]byte(text)); err != nil || !back.Equal(At(at)) {
			t.Errorf("UnmarshalText(%s) = %v, %v", text, back, err)
		}
	}
}

func TestOrderHashTellsEveryTerm(t *testing.T) {
	amount := money.Amount{Minor: 1250, Currency: "CNY"}
	seen := make(map[string]int)
	for i, hash := range []string{
		OrderHash(Order{Number: "A-1", Description: "tea"}, amount, "shop@example"),
		OrderHash(Order{Number: "A-1t", Description: "ea"}, amount, "shop@example"),
		OrderHash(Order{Number: "", Description: "A-1tea"}, amount, "shop@example"),
		OrderHash(Order{Number: `A-1","description":"tea`, Description: ""}, amount, "shop@example"),
		OrderHash(Order{Number: "A-1", Description: "tea"}, money.Amount{Minor: 1251, Currency: "CNY"}, "shop@example"),
		OrderHash(Order{Number: "A-1", Description: "tea"}, money.Amount{Minor: 1250, Currency: "EUR"}, "shop@example"),
		OrderHash(Order{Number: "A-1", Description: "tea"}, amount, "shop@other"),
	} {
		if j, twice := seen[hash]; twice {
			t.Errorf("orders %d and %d have the same hash", i, j)
		}
		seen[hash] = i
	}
}

func TestEveryIssuedStatementReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := statement()
		texts := rapid.StringN(0, 60, -1)
		for _, field := range []*string{&s.PayeeName, &s.CardLabel, &s.DeviceLabel, &s.OrderNumber, &s.OrderText} {
			text, err := CleanText(texts.Draw(t, "text"), 60)
			if err == nil && text != "" {
				*field = text
			}
		}
		s.Amount.Minor = rapid.Int64Range(1, money.MaxMinor).Draw(t, "minor")
		s.Rehearsal = rapid.Bool().Draw(t, "rehearsal")
		s.Version, s.AmountText = VersionOf(s.Rehearsal), AmountText(s.Amount, s.Rehearsal)
		s.OrderHash = OrderHash(Order{Number: s.OrderNumber, Description: s.OrderText}, s.Amount, s.PayeeHandle)
		if room := money.MaxMinor - s.Amount.Minor; room > 0 && rapid.Bool().Draw(t, "fee") {
			s = s.WithFee(money.Amount{Minor: rapid.Int64Range(1, room).Draw(t, "fee's minor"), Currency: "CNY"})
		}
		s.ExpiresAt = At(time.UnixMilli(rapid.Int64Range(1e12, 1e13).Draw(t, "expires")))
		got, err := ParseStatement(s.Text())
		if err != nil {
			t.Fatalf("%s: %v", s.Text(), err)
		}
		if diff := cmp.Diff(s, got); diff != "" {
			t.Fatalf("-issued +read\n%s", diff)
		}
	})
}

func FuzzParseStatement(f *testing.F) {
	f.Add(statement().Text())
	f.Add(secondStatement().Text())
	f.Add(rehearsalStatement().Text())
	f.Add(feeStatement().Text())
	f.Add(strings.Replace(statement().Text(), "{", `{"v":1,`, 1))
	f.Add("{}")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseStatement(text)
		if err != nil {
			return
		}
		if s.Text() != text || s.Validate() != nil || s.Fee == (money.Amount{}) && s.AmountText != AmountText(s.Amount, s.Rehearsal) {
			t.Fatalf("ParseStatement(%q) = %+v", text, s)
		}
	})
}

func BenchmarkStatement(b *testing.B) {
	s := statement()
	for b.Loop() {
		if len(s.Text()) == 0 {
			b.Fatal("no text")
		}
	}
}
