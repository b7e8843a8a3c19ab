package order

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tapline/money"
)

// TestATemplatesOrdersAreWithinIt draws templates and payers who ask for anything: an order is what was asked for, sums up, and
// is allowed, or there is none.
func TestATemplatesOrdersAreWithinIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minor := rapid.Int64Range(-1, 50)
		tpl := Template{
			Payee: "books@shop", Currency: "CNY", Minor: minor.Draw(t, "minor"), Least: minor.Draw(t, "least"), Most: minor.Draw(t, "most"),
			Tax: rapid.Int64Range(0, 3).Draw(t, "tax"), Tip: rapid.Bool().Draw(t, "tip"), Life: TemplateLife,
		}
		if rapid.Bool().Draw(t, "fixed") {
			tpl.Least, tpl.Most = 0, 0
		} else {
			tpl.Minor, tpl.Tax = 0, 0
		}
		if tpl.Check() != nil {
			return
		}
		asked := money.Amount{Minor: rapid.Int64Range(-1, 110).Draw(t, "asked"), Currency: rapid.SampledFrom([]money.Currency{"CNY", "JPY", ""}).Draw(t, "currency")}
		tip := rapid.Int64Range(-1, 60).Draw(t, "added")
		terms, err := tpl.Terms("ord_1", "T-1", asked, tip)
		base := asked.Minor - tip
		allowed := asked.Currency == "CNY" && tip >= 0 && tip <= base && (tip == 0 || tpl.Tip) && base > 0 &&
			(tpl.Minor == base || tpl.Minor == 0 && base >= tpl.Least && base <= tpl.Most)
		if (err == nil) != allowed {
			t.Fatalf("%+v asked for %v with a tip of %d: %v, want allowed %v", tpl, asked, tip, err, allowed)
		}
		if err == nil && (terms.Check() != nil || terms.Amount != asked || terms.Tip != tip || terms.Tax != tpl.Tax || terms.Payee != tpl.Payee) {
			t.Fatalf("%+v gave %+v for %v", tpl, terms, asked)
		}
		tpl.DisabledAt = noon
		if _, err := tpl.Terms("ord_1", "T-1", asked, tip); !errors.Is(err, ErrTemplateDisabled) {
			t.Fatalf("disabled: %v", err)
		}
	})
}

func TestATemplatesLifeIsBounded(t *testing.T) {
	for life, want := range map[time.Duration]error{
		MinLife - 1: ErrTemplate, MinLife: nil, TemplateLife: nil, MaxTemplateLife: nil, MaxTemplateLife + 1: ErrTemplate,
	} {
		if err := (Template{Currency: "CNY", Minor: 1, Life: life}).Check(); !errors.Is(err, want) {
			t.Errorf("life of %v: %v, want %v", life, err, want)
		}
	}
}
