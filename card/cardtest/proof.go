package cardtest

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"tapline/card/apdu"
	"tapline/card/oda"
	"tapline/card/tlv"
)

// Proof makes a virtual payment card prove itself by offline data authentication (EMV Book 2): the keys of those behind
// it, and what they certify. Fields must not change while the card is in a reader. The zero value of a field is what
// honest issuers do.
type Proof struct {
	Method                  oda.Method
	Authority, Issuer, Card *RSAKey

	Index                    byte   // of the authority's key
	Identifier               string // of the issuer: the first six digits of the number
	IssuerExpiry, CardExpiry string // of the certificates, MMYY; 1230
	Serial                   [3]byte
	Certified                string // the number in the card's certificate: the card's own
	HashAlgorithm            byte   // of the certificates: 01

	File       byte   // whose only record the issuer signs and has the account: 1; from 11 on its template is signed, too
	StaticTags []byte // 9F4A; none
	DDOL       []byte // none, so that the default holds
	CDOL1      []byte // amounts, countries, date, unpredictable number
	Related    []byte // 9F69 of fDDA: version 01, a number of the card, qualifiers
	Format     byte   // of the signed data: 95 for fDDA, else 05
	InRecord   bool   // gives the signature of fDDA in a record, as all with keys of more than 1024 bits do
}

// NewProof makes new keys for a method: of 1152 bits for authority and issuer, 1024 for the card.
func NewProof(method oda.Method) *Proof {
	return &Proof{Method: method, Authority: NewRSAKey(1152, 3), Issuer: NewRSAKey(1152, 3), Card: NewRSAKey(1024, 3)}
}

// Authorities is a file of the authority's key for cards with an application, as oda.LoadTestAuthorities reads it: a
// test key, since nobody keeps its other half safe.
func (p *Proof) Authorities(c *EMV) []byte {
	rid := c.aid()[:5]
	modulus, exponent := p.Authority.Modulus(), p.Authority.Exponent()
	sum := sha1.Sum(slices.Concat(rid, []byte{p.Index}, modulus, exponent))
	text, err := json.MarshalIndent(map[string]any{
		"source": "made by tapline for a virtual card",
		"keys": []map[string]any{{
			"name": fmt.Sprintf("virtual authority, %d bits", 8*len(modulus)), "rid": upper(rid), "index": upper([]byte{p.Index}),
			"bits": 8 * len(modulus), "modulus": upper(modulus), "exponent": upper(exponent), "sha1": upper(sum[:]), "test": true,
		}},
	}, "", " ")
	if err != nil {
		panic("cardtest: " + err.Error())
	}
	return append(text, '\n')
}

func upper(raw []byte) string { return strings.ToUpper(hex.EncodeToString(raw)) }

var defaultCDOL1 = []byte{0x9F, 0x02, 6, 0x9F, 0x03, 6, 0x9F, 0x1A, 2, 0x95, 5, 0x5F, 0x2A, 2, 0x9A, 3, 0x9C, 1, 0x9F, 0x37, 4}

var defaultRelated = []byte{0x01, 0xC0, 0xFF, 0xEE, 0x05, 0x00, 0x00}

// profile is the application interchange profile (EMV Book 3 Annex C1).
func (p *Proof) profile() []byte {
	if p == nil {
		return []byte{0x00, 0x00}
	}
	return []byte{map[oda.Method]byte{oda.SDA: 0x40, oda.DDA: 0x20, oda.FDDA: 0x20, oda.CDA: 0x01}[p.Method], 0x00}
}

// lists are what the signed record says beside the account.
func (p *Proof) lists() []byte {
	var objects []byte
	if p.Method == oda.CDA {
		objects = tlv.Append(objects, 0x8C, p.cdol1())
	}
	if p.DDOL != nil {
		objects = tlv.Append(objects, 0x9F49, p.DDOL)
	}
	if p.StaticTags != nil {
		objects = tlv.Append(objects, 0x9F4A, p.StaticTags)
	}
	return objects
}

func (p *Proof) cdol1() []byte {
	if p.CDOL1 == nil {
		return defaultCDOL1
	}
	return p.CDOL1
}

func (p *Proof) related() []byte {
	if p.Related == nil {
		return defaultRelated
	}
	return p.Related
}

// certificates are the objects of the records that are not signed, each record's in its template.
func (p *Proof) certificates(number string, static []byte) [][]byte {
	identifier := orElse(p.Identifier, number[:6])
	issuer, issuerRest := p.Authority.certify(slices.Concat([]byte{0x02}, fill(identifier, 4),
		p.common(p.IssuerExpiry, p.Issuer)), p.Issuer)
	first := tlv.Append(nil, 0x8F, []byte{p.Index})
	first = tlv.Append(first, 0x9F32, p.Issuer.Exponent())
	first = appendSome(first, 0x92, issuerRest)
	second := tlv.Append(nil, 0x90, issuer)
	if p.Method == oda.SDA {
		signed := p.Issuer.Sign([]byte{0x03, 0x01, 0xDA, 0xC0}, static)
		return [][]byte{first, second, tlv.Append(nil, 0x93, signed)}
	}
	certificate, rest := p.Issuer.certify(slices.Concat([]byte{0x04}, fill(orElse(p.Certified, number), 10),
		p.common(p.CardExpiry, p.Card)), p.Card, static)
	third := tlv.Append(nil, 0x9F47, p.Card.Exponent())
	third = appendSome(third, 0x9F48, rest)
	if p.Method == oda.FDDA {
		third = appendSome(third, 0x9F69, p.related())
	}
	return [][]byte{first, second, third, tlv.Append(nil, 0x9F46, certificate)}
}

// common is what both certificates have between the name and the key.
func (p *Proof) common(expiry string, key *RSAKey) []byte {
	hash := p.HashAlgorithm
	if hash == 0 {
		hash = 0x01
	}
	return slices.Concat(packed(orElse(expiry, "1230")), p.Serial[:],
		[]byte{hash, 0x01, byte(key.Size()), byte(len(key.Exponent()))})
}

// appendSome appends an object unless it is empty.
func appendSome(data []byte, tag tlv.Tag, value []byte) []byte {
	if len(value) == 0 {
		return data
	}
	return tlv.Append(data, tag, value)
}

// fill is digits two to a byte with F behind them.
func fill(digits string, length int) []byte {
	return packed(digits + strings.Repeat("F", 2*length-len(digits)))
}

// sign makes a signature over the card's dynamic data and rest (EMV Book 2 §6.5.1).
func (p *Proof) sign(data []byte, rest ...[]byte) []byte {
	format := p.Format
	if format == 0 {
		format = 0x05
		if p.Method == oda.FDDA {
			format = 0x95
		}
	}
	return p.Card.Sign(slices.Concat([]byte{format, 0x01, byte(len(data))}, data), rest...)
}

// fast is the signature that answers GET PROCESSING OPTIONS (Book C-3 Annex C.1): over what the reader said.
func (p *Proof) fast(counter []byte, said func(tlv.Tag) []byte) []byte {
	rest := [][]byte{said(0x9F37)}
	if related := p.related(); len(related) > 0 && related[0] != 0x00 {
		rest = append(rest, said(0x9F02), said(0x5F2A), related)
	}
	return p.sign(append([]byte{byte(len(counter))}, counter...), rest...)
}

// inRecord reports whether the signature of fDDA is in a record: with a longer one the answer would not fit.
func (p *Proof) inRecord() bool {
	return p.Method == oda.FDDA && (p.InRecord || p.Card.Size() > 128)
}

// said finds a value in what a reader said to a data object list.
func said(list, values []byte) func(tlv.Tag) []byte {
	elements, err := tlv.ParseDOL(list)
	if err != nil {
		panic("cardtest: a data object list cannot be understood")
	}
	return func(tag tlv.Tag) []byte {
		at := 0
		for _, e := range elements {
			if e.Tag == tag {
				return values[at : at+e.Length]
			}
			at += e.Length
		}
		return nil
	}
}

func length(list []byte) int {
	elements, err := tlv.ParseDOL(list)
	if err != nil {
		return -1
	}
	sum := 0
	for _, e := range elements {
		sum += e.Length
	}
	return sum
}

// random is n bytes that nobody knows beforehand.
func random(n int) []byte {
	raw := make([]byte, n)
	rand.Read(raw) // never fails: crypto/rand
	return raw
}

func (c *EMV) internalAuthenticate(command apdu.Command) apdu.Response {
	ddol := []byte{0x9F, 0x37, 4}
	if c.Proof != nil && c.Proof.DDOL != nil {
		ddol = c.Proof.DDOL
	}
	switch {
	case c.Proof == nil || c.Proof.Method != oda.DDA:
		return status(apdu.StatusNoSuchInstruction)
	case !c.started:
		return status(apdu.StatusConditions)
	case len(command.Data) != length(ddol):
		return status(apdu.StatusWrongLength)
	}
	signature := c.Proof.sign(append([]byte{8}, random(8)...), command.Data)
	if c.Format1 {
		return data(tlv.Append(nil, 0x80, signature))
	}
	return data(tlv.Append(nil, 0x77, tlv.Append(nil, 0x9F4B, signature)))
}

// generateAC answers with a cryptogram that no issuer would take: it is random. Signed it is as EMV Book 2 §6.6.1 says.
func (c *EMV) generateAC(command apdu.Command) apdu.Response {
	switch {
	case c.Proof == nil || c.Proof.Method != oda.CDA:
		return status(apdu.StatusNoSuchInstruction)
	case !c.started:
		return status(apdu.StatusConditions)
	case len(command.Data) != length(c.Proof.cdol1()):
		return status(apdu.StatusWrongLength)
	}
	kind, cryptogram := command.P1&0xC0, random(8)
	objects := tlv.Append(nil, 0x9F27, []byte{kind})
	objects = tlv.Append(objects, 0x9F36, c.counter())
	issuer := tlv.Append(nil, 0x9F10, []byte{0x06, 0x01, 0x0A, 0x03, 0xA0, 0x00, 0x00})
	if command.P1&0x10 == 0 || kind == 0 {
		return data(tlv.Append(nil, 0x77, slices.Concat(objects, tlv.Append(nil, 0x9F26, cryptogram), issuer)))
	}
	hash := sha1.Sum(slices.Concat(c.values, command.Data, objects, issuer))
	un := said(c.Proof.cdol1(), command.Data)(0x9F37)
	if un == nil {
		un = said(c.pdol(), c.values)(0x9F37)
	}
	signature := c.Proof.sign(slices.Concat([]byte{8}, random(8), []byte{kind}, cryptogram, hash[:]), un)
	objects = slices.Concat(objects, tlv.Append(nil, 0x9F4B, signature), issuer)
	return data(tlv.Append(nil, 0x77, objects))
}
