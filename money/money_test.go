package money

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestParseReadsExactlyTheCurrencysDigits(t *testing.T) {
	for _, tc := range []struct {
		text     string
		currency Currency
		minor    int64
		err      error
	}{
		{"12.50", "CNY", 1250, nil},
		{"12.5", "CNY", 1250, nil},
		{"12", "CNY", 1200, nil},
		{"0.01", "CNY", 1, nil},
		{"0", "CNY", 0, nil},
		{"007", "JPY", 7, nil},
		{"1.234", "KWD", 1234, nil},
		{"10000000000000.00", "CNY", MaxMinor, nil},
		{"10000000000000.01", "CNY", 0, ErrTooLarge},
		{"99999999999999999999999", "CNY", 0, ErrTooLarge},
		{"1.234", "CNY", 0, ErrAmount},
		{"1.0", "JPY", 0, ErrAmount},
		{"", "CNY", 0, ErrAmount},
		{".5", "CNY", 0, ErrAmount},
		{"5.", "CNY", 0, ErrAmount},
		{"-1", "CNY", 0, ErrAmount},
		{"+1", "CNY", 0, ErrAmount},
		{"1e3", "CNY", 0, ErrAmount},
		{"1,000", "CNY", 0, ErrAmount},
		{" 1", "CNY", 0, ErrAmount},
		{"١", "CNY", 0, ErrAmount},
		{"1", "XXX", 0, ErrCurrency},
		{"1", "cny", 0, ErrCurrency},
	} {
		got, err := Parse(tc.text, tc.currency)
		if !errors.Is(err, tc.err) || got.Minor != tc.minor {
			t.Errorf("Parse(%q, %s) = %d, %v; want %d, %v", tc.text, tc.currency, got.Minor, err, tc.minor, tc.err)
		}
	}
}

func TestFormatMinorWritesEveryDigit(t *testing.T) {
	for _, tc := range []struct {
		minor    int64
		currency Currency
		want     string
	}{
		{0, "CNY", "0.00"}, {5, "CNY", "0.05"}, {-5, "CNY", "-0.05"}, {1250, "CNY", "12.50"}, {7, "JPY", "7"},
		{1234, "KWD", "1.234"}, {-9223372036854775808, "CNY", "-92233720368547758.08"},
	} {
		if got := FormatMinor(tc.minor, tc.currency); got != tc.want {
			t.Errorf("FormatMinor(%d, %s) = %q, want %q", tc.minor, tc.currency, got, tc.want)
		}
	}
}

func TestEveryCurrencyHasANumberOfItsOwn(t *testing.T) {
	seen := map[uint16]Currency{}
	for c := range decimals {
		n := c.Number()
		if other, taken := seen[n]; n == 0 || n > 999 || taken {
			t.Errorf("%s has the number %d, as has %q", c, n, other)
		}
		seen[n] = c
	}
	if len(numbers) != len(decimals) {
		t.Errorf("%d currencies have a number, %d are known", len(numbers), len(decimals))
	}
	for c, want := range map[Currency]uint16{"CNY": 156, "EUR": 978, "AUD": 36, "USD": 840, "JPY": 392, "XXX": 0} {
		if c.Number() != want {
			t.Errorf("%s has the number %d, want %d", c, c.Number(), want)
		}
	}
}

func anyAmount(t *rapid.T) Amount {
	c := rapid.SampledFrom([]Currency{"CNY", "JPY", "KWD", "EUR"}).Draw(t, "currency")
	return Amount{Minor: rapid.Int64Range(0, MaxMinor).Draw(t, "minor"), Currency: c}
}

func TestTextRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := anyAmount(t)
		got, err := Parse(a.Decimal(), a.Currency)
		if err != nil || got != a {
			t.Fatalf("Parse(%q) = %v, %v; want %v", a.Decimal(), got, err, a)
		}
	})
}

func TestSplitLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, points := anyAmount(t), rapid.IntRange(0, 10_000).Draw(t, "basis points")
		share, rest := a.Split(points)
		sum, err := share.Add(rest)
		if err != nil || sum != a || share.Minor < 0 || rest.Minor < 0 {
			t.Fatalf("%v.Split(%d) = %v + %v", a, points, share, rest)
		}
	})
}

func TestAddRefusesOverflowAndMixedCurrencies(t *testing.T) {
	most := Amount{MaxMinor, "CNY"}
	if _, err := most.Add(Amount{1, "CNY"}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v + 1: %v, want %v", most, err, ErrTooLarge)
	}
	if _, err := most.Add(Amount{1, "EUR"}); !errors.Is(err, ErrMismatch) {
		t.Errorf("CNY + EUR: %v, want %v", err, ErrMismatch)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"12.50", "0", "00.1", "1.", ".1", "-3", "1e9", "10000000000000.00", "９"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, c := range []Currency{"CNY", "JPY", "KWD"} {
			a, err := Parse(text, c)
			if err != nil {
				continue
			}
			if a.Minor < 0 || a.Minor > MaxMinor {
				t.Fatalf("Parse(%q, %s) = %d is out of bounds", text, c, a.Minor)
			}
			again, err := Parse(a.Decimal(), c)
			if err != nil || again != a {
				t.Fatalf("Parse(%q, %s) = %v, and its text %q reads as %v, %v", text, c, a, a.Decimal(), again, err)
			}
		}
	})
}
