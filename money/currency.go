package money

import "fmt"

// Currency is an ISO 4217 alphabetic code, such as "CNY". Only the codes in this package's table are valid.
type Currency string

// decimals lists the currencies tapline moves, with the number of decimal digits of their minor unit (ISO 4217:2015,
// table A.1). Codes without a minor unit, funds codes and precious metals are left out.
var decimals = map[Currency]int{
	"AED": 2, "ARS": 2, "AUD": 2, "BDT": 2, "BGN": 2, "BHD": 3, "BRL": 2, "CAD": 2, "CHF": 2, "CLP": 0, "CNY": 2,
	"COP": 2, "CZK": 2, "DKK": 2, "EGP": 2, "EUR": 2, "GBP": 2, "HKD": 2, "HUF": 2, "IDR": 2, "ILS": 2, "INR": 2,
	"IQD": 3, "ISK": 0, "JOD": 3, "JPY": 0, "KES": 2, "KRW": 0, "KWD": 3, "KZT": 2, "LYD": 3, "MAD": 2, "MOP": 2,
	"MXN": 2, "MYR": 2, "NGN": 2, "NOK": 2, "NZD": 2, "OMR": 3, "PEN": 2, "PHP": 2, "PKR": 2, "PLN": 2, "PYG": 0,
	"QAR": 2, "RON": 2, "RSD": 2, "RUB": 2, "SAR": 2, "SEK": 2, "SGD": 2, "THB": 2, "TND": 3, "TRY": 2, "TWD": 2,
	"UAH": 2, "UGX": 0, "USD": 2, "UYU": 2, "VND": 0, "XAF": 0, "XOF": 0, "ZAR": 2,
}

// numbers are the numeric codes of the same currencies (ISO 4217:2015, table A.1).
var numbers = map[Currency]uint16{
	"AED": 784, "ARS": 32, "AUD": 36, "BDT": 50, "BGN": 975, "BHD": 48, "BRL": 986, "CAD": 124, "CHF": 756,
	"CLP": 152, "CNY": 156, "COP": 170, "CZK": 203, "DKK": 208, "EGP": 818, "EUR": 978, "GBP": 826, "HKD": 344,
	"HUF": 348, "IDR": 360, "ILS": 376, "INR": 356, "IQD": 368, "ISK": 352, "JOD": 400, "JPY": 392, "KES": 404,
	"KRW": 410, "KWD": 414, "KZT": 398, "LYD": 434, "MAD": 504, "MOP": 446, "MXN": 484, "MYR": 458, "NGN": 566,
	"NOK": 578, "NZD": 554, "OMR": 512, "PEN": 604, "PHP": 608, "PKR": 586, "PLN": 985, "PYG": 600, "QAR": 634,
	"RON": 946, "RSD": 941, "RUB": 643, "SAR": 682, "SEK": 752, "SGD": 702, "THB": 764, "TND": 788, "TRY": 949,
	"TWD": 901, "UAH": 980, "UGX": 800, "USD": 840, "UYU": 858, "VND": 704, "XAF": 950, "XOF": 952, "ZAR": 710,
}

// ParseCurrency returns the currency of an upper-case ISO 4217 code; ErrCurrency if tapline does not know it.
func ParseCurrency(code string) (Currency, error) {
	c := Currency(code)
	if _, known := decimals[c]; !known {
		return "", fmt.Errorf("%w: want an ISO 4217 code such as CNY", ErrCurrency)
	}
	return c, nil
}

// Known reports whether c is a currency tapline moves.
func (c Currency) Known() bool {
	_, known := decimals[c]
	return known
}

// Decimals is the number of digits after the decimal point in amounts of c, 0 for an unknown currency.
func (c Currency) Decimals() int { return decimals[c] }

// Number is the numeric code of c, as cards and terminals name it: 156 for CNY; 0 for an unknown currency.
func (c Currency) Number() uint16 { return numbers[c] }
