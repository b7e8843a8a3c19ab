package cardtest

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"tapline/card/apdu"
)

// Transcript is what a card and a reader said to each other, and what a reader must find in it.
type Transcript struct {
	Name      string     `json:"name"`
	Source    string     `json:"source"`
	Licence   string     `json:"licence"`
	Kind      string     `json:"kind"`    // captured, anonymised or synthetic, in words
	Comment   string     `json:"comment"` // what is special about the card
	ATR       string     `json:"atr"`     // hex, empty if not recorded
	Expect    Expect     `json:"expect"`
	Exchanges []Exchange `json:"exchanges"`
}

// Expect is what a reader must find. Error is not empty if the card has no account to read.
type Expect struct {
	PAN          string   `json:"pan"`
	Expiry       string   `json:"expiry"` // YYMM
	AID          string   `json:"aid"`
	Label        string   `json:"label"`
	PSN          string   `json:"psn"`
	PAR          string   `json:"par"`
	Scheme       string   `json:"scheme"`
	Notes        []string `json:"notes"`
	APDUs        int      `json:"apdus"`     // commands that it takes
	NDEFKind     string   `json:"ndef_kind"` // of a tag's message
	NDEF         string   `json:"ndef"`      // a tag's address or text
	Error        string   `json:"error"`
	Account      string   `json:"account"` // transport cards have this and what follows
	AccountRaw   string   `json:"account_raw"`
	ValidFrom    string   `json:"valid_from"` // YYYYMMDD
	ValidTo      string   `json:"valid_to"`   // YYYYMMDD
	Issuer       string   `json:"issuer"`
	BalanceFen   int64    `json:"balance_fen"`
	Transactions int      `json:"transactions"`
}

// Exchange is one command and its response in hex. An empty command stands for any.
type Exchange struct {
	Command  string `json:"c"`
	Response string `json:"r"`
}

// ParseTranscript reads the JSON of a transcript. It refuses exchanges that are not hex or have no status word.
func ParseTranscript(text []byte) (Transcript, error) {
	var t Transcript
	if err := json.Unmarshal(text, &t); err != nil {
		return Transcript{}, fmt.Errorf("transcript: %w", err)
	}
	for i, e := range t.Exchanges {
		_, err := hex.DecodeString(e.Command)
		response, err2 := hex.DecodeString(e.Response)
		if err != nil || err2 != nil || len(response) < 2 {
			return Transcript{}, fmt.Errorf("transcript %s: exchange %d is not hex with a status word", t.Name, i)
		}
	}
	return t, nil
}

// ReadTranscript reads a transcript from a file.
func ReadTranscript(path string) (Transcript, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Transcript{}, err
	}
	return ParseTranscript(text)
}

// RecordedATR is the answer to reset, nil if it was not recorded.
func (t Transcript) RecordedATR() []byte {
	atr, err := hex.DecodeString(t.ATR)
	if err != nil || len(atr) == 0 {
		return nil
	}
	return atr
}

// Player returns a card that answers as the transcript does, from its beginning.
func (t Transcript) Player() *Player { return &Player{transcript: t} }

// Player is a card that plays a transcript in order. A command is answered by the next exchange that has it or has no
// command; exchanges passed over are not played again, unless SELECT goes back to the application that they begin with:
// readers differ in which they try first. GET PROCESSING OPTIONS is found by its header alone, since its data differ
// from reader to reader, and SELECT and READ RECORD with or without their Le. What the transcript does not know is
// answered as by a card that has no such thing: SELECT with 6A82, READ RECORD with 6A83, all else with 6D00.
type Player struct {
	Missed []string // commands that the transcript does not know, in hex

	transcript Transcript
	next       int
}

// ATR is the recorded one, else that of a contactless card without historical bytes.
func (p *Player) ATR() []byte {
	if atr := p.transcript.RecordedATR(); atr != nil {
		return atr
	}
	return []byte{0x3B, 0x80, 0x80, 0x01, 0x01}
}

// Reset plays from the beginning.
func (p *Player) Reset() { p.next = 0 }

// Transmit answers from the transcript. The error is the cause of ctx.
func (p *Player) Transmit(ctx context.Context, raw []byte) ([]byte, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	command := strings.ToUpper(hex.EncodeToString(raw))
	if i := p.find(command); i >= 0 {
		p.next = i + 1
		return hex.DecodeString(p.transcript.Exchanges[i].Response)
	}
	p.Missed = append(p.Missed, command)
	switch parsed, _ := apdu.ParseCommand(raw); parsed.Instruction {
	case apdu.InsSelect:
		return status(apdu.StatusNotFound).Bytes(), nil
	case apdu.InsReadRecord:
		return status(apdu.StatusNoRecord).Bytes(), nil
	}
	return status(apdu.StatusNoSuchInstruction).Bytes(), nil
}

// find returns the place of the exchange that answers a command, -1 if none does.
func (p *Player) find(command string) int {
	if place := p.findIn(p.next, len(p.transcript.Exchanges), command); place >= 0 {
		return place
	}
	if !strings.HasPrefix(command, selectName) {
		return -1
	}
	place := p.findIn(0, p.next, command)
	if place >= 0 && p.transcript.Exchanges[place].Command == "" {
		return -1
	}
	return place
}

// findIn looks from a place up to another. A SELECT that is the same to the last byte comes before one without its Le:
// some cards refuse that.
func (p *Player) findIn(from, to int, command string) int {
	alike := -1
	for i := from; i < to; i++ {
		switch recorded := strings.ToUpper(p.transcript.Exchanges[i].Command); {
		case recorded == "" && alike >= 0:
			return alike
		case matches(recorded, command):
			return i
		case !differInLe(recorded, command):
		case !strings.HasPrefix(command, selectName):
			return i
		case alike < 0:
			alike = i
		}
	}
	return alike
}

// selectName begins a SELECT by name.
const selectName = "00A40400"

func matches(recorded, command string) bool {
	const options = "80A80000"
	return recorded == "" || recorded == command ||
		strings.HasPrefix(recorded, options) && strings.HasPrefix(command, options)
}

// differInLe reports whether two commands are one SELECT or READ RECORD, with and without Le.
func differInLe(recorded, command string) bool {
	return (strings.HasPrefix(recorded, selectName) || strings.HasPrefix(recorded, "00B2")) &&
		(recorded+"00" == command || recorded == command+"00")
}
