package api

// TapChallenge is what a payment card is to sign at the next tap, as the data of its PDOL, CDOL or DDOL.
type TapChallenge struct {
	ID                  string `json:"id" doc:"Name it in the tap."`
	UnpredictableNumber string `json:"unpredictable_number" pattern:"^[0-9A-F]{8}$" doc:"Tag 9F37, in hexadecimal digits."`
	Amount              string `json:"amount_authorised" pattern:"^[0-9]{12}$" doc:"Tag 9F02: minor units."`
	Currency            string `json:"transaction_currency" pattern:"^0[0-9]{3}$" doc:"Tag 5F2A: ISO 4217 numeric code."`
	Country             string `json:"terminal_country" pattern:"^0[0-9]{3}$" doc:"Tag 9F1A: ISO 3166-1 numeric code."`
	ExpiresIn           int    `json:"expires_in" doc:"Seconds in which the tap has to be presented."`
}

// Kinds of taps.
const (
	TapAccount = "account"
	TapSUN     = "sun"
	TapEMV     = "emv"
)

// Tap is what a tap says to the device that presented it.
type Tap struct {
	Kind        string     `json:"kind" enum:"account,sun,emv"`
	CardAccount string     `json:"card_account" doc:"Masked."`
	Assurance   string     `json:"assurance" enum:"identified,authentic" doc:"To a device that is not the card's, the message of a SUN card is always identified."`
	Card        *KnownCard `json:"card,omitempty" doc:"For a device that is or was bound to the card. For others there is none, whether the card was issued or not."`
}

// KnownCard is a card as a tap shows it to its own device.
type KnownCard struct {
	ID    string `json:"id"`
	Label string `json:"label"`
	State string `json:"state" enum:"issued,active,frozen,closed"`
}
