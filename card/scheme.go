package card

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// AID is an application identifier in upper-case hex, 5 to 16 bytes (ISO/IEC 7816-4 §12.2.3).
type AID string

// ParseAID reads an application identifier from hex in any case.
func ParseAID(text string) (AID, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) < 5 || len(raw) > 16 {
		return "", fmt.Errorf("%q is not an application identifier: want 10 to 32 hex digits", text)
	}
	return aidOf(raw), nil
}

// Bytes decodes the identifier; nil if it is not hex.
func (a AID) Bytes() []byte {
	raw, err := hex.DecodeString(string(a))
	if err != nil {
		return nil
	}
	return raw
}

func aidOf(raw []byte) AID { return AID(strings.ToUpper(hex.EncodeToString(raw))) }

// Scheme is the card scheme an application belongs to.
type Scheme string

// The schemes that Tapline knows by name. A card of any other is read as well. NDEF and SUN are no schemes but what tags
// are reported as: with a message, and with one that looks as if the card had signed this tap.
const (
	NDEF Scheme = "ndef"
	SUN  Scheme = "sun"

	Amex       Scheme = "amex"
	Beijing    Scheme = "beijing" // municipal transport card
	CB         Scheme = "cb"
	CityUnion  Scheme = "city-union" // transport cards of cities in China, CJ/T 166
	Discover   Scheme = "discover"   // and Diners Club
	Girocard   Scheme = "girocard"
	Interac    Scheme = "interac"
	JCB        Scheme = "jcb"
	Lingnan    Scheme = "lingnan" // transport cards of Guangdong
	Maestro    Scheme = "maestro"
	Mastercard Scheme = "mastercard"
	Mir        Scheme = "mir"
	RuPay      Scheme = "rupay"
	Shenzhen   Scheme = "shenzhen" // transport card
	Suzhou     Scheme = "suzhou"   // city card
	TUnion     Scheme = "t-union"  // transport cards in China, JT/T 978
	UnionPay   Scheme = "unionpay"
	Visa       Scheme = "visa"
	Unknown    Scheme = "unknown"
)

// knownAIDs are asked for, in this order, if a card has no directory (EMV Book 1 §12.3.3, list of AIDs). T-Union
// cards are the most frequent cards without one.
var knownAIDs = []struct {
	AID    AID
	Scheme Scheme
}{
	{aidTUnion, TUnion},
	{"A000000333010101", UnionPay}, // debit
	{"A000000333010102", UnionPay}, // credit
	{"A000000333010103", UnionPay}, // quasi-credit
	{"A000000333010106", UnionPay}, // e-cash
	{aidCityUnion, CityUnion},
	{aidLingnan, Lingnan},
	{aidShenzhen, Shenzhen},
	{aidSuzhou, Suzhou},
	{"A0000000031010", Visa},
	{"A0000000032010", Visa}, // Electron
	{"A0000000032020", Visa}, // V PAY
	{"A0000000041010", Mastercard},
	{"A0000000043060", Maestro},
	{"A00000002501", Amex},
	{"A0000001523010", Discover},
	{"A0000003241010", Discover},
	{"A0000000651010", JCB},
	{"A0000000421010", CB},
	{"A0000002771010", Interac},
	{"A0000003591010028001", Girocard},
	{"A0000005241010", RuPay},
	{"A0000006581010", Mir},
}

// registrants maps registered application providers, the first five bytes of an AID, to their scheme.
var registrants = map[AID]Scheme{
	"A000000003": Visa,
	"A000000004": Mastercard,
	"A000000025": Amex,
	"A000000042": CB,
	"A000000065": JCB,
	"A000000152": Discover,
	"A000000277": Interac,
	"A000000324": Discover,
	"A000000333": UnionPay,
	"A000000359": Girocard,
	"A000000524": RuPay,
	"A000000632": TUnion,
	"A000000658": Mir,
	"D276000025": Girocard, // electronic cash of German banks
}

// cityAIDs are the applications of city cards: their first five bytes are no registered provider's own.
var cityAIDs = map[Scheme]AID{CityUnion: aidCityUnion, Lingnan: aidLingnan, Shenzhen: aidShenzhen, Suzhou: aidSuzhou}

// SchemeOf names the scheme of an application, Unknown if Tapline does not know it.
func SchemeOf(aid AID) Scheme {
	if strings.HasPrefix(string(aid), "A000000004306") {
		return Maestro
	}
	for scheme, own := range cityAIDs {
		if strings.HasPrefix(string(aid), string(own)) {
			return scheme
		}
	}
	if len(aid) >= 10 {
		if scheme, ok := registrants[aid[:10]]; ok {
			return scheme
		}
	}
	return Unknown
}
