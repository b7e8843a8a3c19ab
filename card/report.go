package card

import (
	"encoding/json"
	"math"
	"time"
)

// Report is a Reading for programs and people. It has no number but the last four digits, unless somebody who may fills
// in Account.
type Report struct {
	Scheme       Scheme          `json:"scheme"`
	AID          AID             `json:"aid"`
	Label        string          `json:"label"`
	AccountLast4 string          `json:"account_last4"`
	Account      string          `json:"account,omitempty"`
	Expiry       string          `json:"expiry"` // YYMM
	PSN          string          `json:"psn"`
	PAR          string          `json:"par"`
	Assurance    Assurance       `json:"assurance"`
	APDUs        int             `json:"apdus"`
	Milliseconds float64         `json:"milliseconds"`
	ValidFrom    string          `json:"valid_from,omitempty"` // YYYYMMDD
	ValidTo      string          `json:"valid_to,omitempty"`   // YYYYMMDD
	Notes        []Note          `json:"notes,omitempty"`
	NDEF         json.RawMessage `json:"ndef,omitempty"`
	BalanceFen   *int64          `json:"balance_fen,omitempty"`
	Log          []Journey       `json:"log,omitempty"`
}

// Report shows a reading. If reveal is true, it has the whole number and the whole message, under the conditions of
// Number.Reveal and Message.Reveal.
func (r Reading) Report(reveal bool) Report {
	report := Report{
		Scheme: r.Scheme, AID: r.AID, Label: r.Label, AccountLast4: r.Number.Last4(), Expiry: r.Expiry, PSN: r.PSN,
		PAR: r.PAR, Assurance: r.Assurance, APDUs: r.APDUs, ValidFrom: r.ValidFrom, ValidTo: r.ValidTo, Notes: r.Notes,
		Milliseconds: math.Round(float64(r.Elapsed)/float64(time.Microsecond)) / 1000,
	}
	if reveal {
		report.Account = r.Number.Reveal()
	}
	if r.NDEF != nil {
		encode := r.NDEF.MarshalJSON
		if reveal {
			encode = r.NDEF.RevealJSON
		}
		report.NDEF, _ = encode() // strings only: never fails
	}
	return report
}

// MarshalJSON encodes the Report without secrets.
func (r Reading) MarshalJSON() ([]byte, error) { return json.Marshal(r.Report(false)) }
