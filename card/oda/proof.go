package oda

import (
	"bytes"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tapline/card/tlv"
)

// method is the best proof in the dialogue. One that is wrong is not made up for by a lesser one.
func (d *dialogue) method() Method {
	switch {
	case d.generate != nil && holds(d.generate.answer, tagDynamic):
		return CDA
	case d.internal != nil:
		return DDA
	case d.has(tagDynamic):
		return FDDA
	case d.has(tagStatic):
		return SDA
	}
	return None
}

func holds(answer []byte, tag tlv.Tag) bool {
	objects, err := tlv.Parse(answer)
	_, found := objects.Find(tag)
	return err == nil && found
}

func (d *dialogue) has(tag tlv.Tag) bool {
	_, found := d.objects.Find(tag)
	return found
}

// prove verifies the whole chain. amountSigned counts only without an error, whose text is a Finding's Why.
func (d *dialogue) prove(f Finding, c Challenge, a *Authorities, now time.Time) (amountSigned bool, err error) {
	if f.Method == None {
		return false, errors.New("the card gave no proof")
	}
	if d.flaw != "" {
		return false, errors.New(d.flaw)
	}
	issuer, err := d.issuer(a, now)
	if err != nil {
		return false, err
	}
	if !strings.HasPrefix(f.Number.Reveal(), issuer.identifier) {
		return false, errors.New("the account number is not one of the certified issuer's")
	}
	if f.Method == SDA {
		return false, d.verifyStatic(issuer.publicKey)
	}
	key, err := d.card(issuer.publicKey, now)
	if err != nil {
		return false, err
	}
	if err := d.sameNumber(key.number); err != nil {
		return false, err
	}
	if f.Number.Reveal() != key.number {
		return false, errAnotherNumber
	}
	if end, ok := expiryEnd(f.Expiry); ok && !now.Before(end) {
		return false, errors.New("the card has expired")
	}
	options, err := c.check("PDOL", d.pdol, d.values)
	if err != nil {
		return false, err
	}
	switch f.Method {
	case CDA:
		return d.verifyCDA(key.publicKey, c, options)
	case DDA:
		return d.verifyDDA(key.publicKey, c)
	default:
		return d.verifyFDDA(key.publicKey, c, options)
	}
}

// issuer verifies the issuer's certificate with the authority's key that card and application name.
func (d *dialogue) issuer(a *Authorities, now time.Time) (issuerKey, error) {
	values, err := d.all(tagAuthority, tagIssuerCert, tagIssuerRest, tagIssuerExp)
	if err != nil {
		return issuerKey{}, err
	}
	index, certificate, remainder, exponent := values[0], values[1], values[2], values[3]
	if len(index) != 1 || len(certificate) == 0 || len(exponent) == 0 {
		return issuerKey{}, errors.New("the card has no issuer certificate")
	}
	name := d.aid.Bytes()
	if len(name) < 5 {
		return issuerKey{}, errors.New("the application has no name")
	}
	id, ca := a.find(authorityID{[5]byte(name[:5]), index[0]})
	if ca == nil {
		return issuerKey{}, fmt.Errorf("the authority's key %02X of %X is not known", id.index, id.rid)
	}
	if !ca.expires.IsZero() && !now.Before(ca.expires.AddDate(0, 0, 1)) {
		return issuerKey{}, fmt.Errorf("the authority's key %02X of %X has expired", id.index, id.rid)
	}
	key, err := openIssuer(ca.key, certificate, remainder, exponent, now)
	if err != nil {
		return issuerKey{}, fmt.Errorf("the issuer certificate: %w", err)
	}
	if a.revoked[revokedID{id, key.serial}] {
		return issuerKey{}, fmt.Errorf("the issuer certificate %X was revoked", key.serial)
	}
	return key, nil
}

// card verifies the card's certificate.
func (d *dialogue) card(issuer publicKey, now time.Time) (cardKey, error) {
	values, err := d.all(tagCardCert, tagCardRest, tagCardExp)
	if err != nil {
		return cardKey{}, err
	}
	if len(values[0]) == 0 || len(values[2]) == 0 {
		return cardKey{}, errors.New("the card has no certificate")
	}
	key, err := openCard(issuer, values[0], values[1], values[2], d.static, now)
	if err != nil {
		return cardKey{}, fmt.Errorf("the card certificate: %w", err)
	}
	return key, nil
}

// all is one for several tags.
func (d *dialogue) all(tags ...tlv.Tag) ([][]byte, error) {
	var values [][]byte
	for _, tag := range tags {
		value, err := d.one(tag)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, nil
}

var errAnotherNumber = errors.New("the account number is not the one in the card's certificate")

// sameNumber holds when every number that the card told is the certified one, so that no reader and no service can
// take another.
func (d *dialogue) sameNumber(certified string) error {
	for _, o := range d.objects {
		var digits string
		switch o.Tag {
		case tagNumber:
			digits = unpadded(o.Value)
		case tagTrack2:
			digits, _, _ = strings.Cut(hex.EncodeToString(o.Value), "d")
		default:
			continue
		}
		if digits != certified {
			return errAnotherNumber
		}
	}
	if !d.has(tagNumber) && !d.has(tagTrack2) {
		return errors.New("the card did not tell its account number where it is certified")
	}
	return nil
}

// expiryEnd is the end of a YYMM.
func expiryEnd(yymm string) (time.Time, bool) {
	if len(yymm) != 4 {
		return time.Time{}, false
	}
	return endOfMonth(yymm[:2], yymm[2:])
}

// covered tells which of the challenge's values a data object list asked for.
type covered struct{ un, amount, currency bool }

// check compares what the reader said to a data object list with the challenge: every value of it that the list asks
// for must be the challenge's.
func (c Challenge) check(name string, list, values []byte) (covered, error) {
	elements, err := tlv.ParseDOL(list)
	if err != nil {
		return covered{}, fmt.Errorf("the %s cannot be understood", name)
	}
	var found covered
	for _, e := range elements {
		if e.Length > len(values) {
			return covered{}, fmt.Errorf("the reader said less than the %s asks", name)
		}
		value := values[:e.Length]
		values = values[e.Length:]
		var want []byte
		switch e.Tag {
		case tagUN:
			want, found.un = c.UnpredictableNumber[:], true
		case tagAmount:
			want, found.amount = c.amount(), true
		case tagCurrency:
			want, found.currency = c.currency(), true
		default:
			continue
		}
		if !bytes.Equal(value, want) {
			return covered{}, fmt.Errorf("the reader said another %s to the card than the challenge has", meaning[e.Tag])
		}
	}
	if len(values) > 0 {
		return covered{}, fmt.Errorf("the reader said more than the %s asks", name)
	}
	return found, nil
}

var meaning = map[tlv.Tag]string{tagUN: "unpredictable number", tagAmount: "amount", tagCurrency: "currency"}

func (c Challenge) amount() []byte { return packed(fmt.Sprintf("%012d", max(0, c.Amount)%1e12)) }

func (c Challenge) currency() []byte { return packed(fmt.Sprintf("%04d", c.Currency%10000)) }

// packed is digits, two to a byte.
func packed(digits string) []byte {
	raw, err := hex.DecodeString(digits)
	if err != nil {
		panic("oda: not digits")
	}
	return raw
}

// verifyStatic verifies the issuer's signature over the static data (EMV Book 2 §5.4). Right or wrong, it proves nothing
// about this card: the error is never nil.
func (d *dialogue) verifyStatic(issuer publicKey) error {
	signature, err := d.one(tagStatic)
	if err != nil {
		return err
	}
	if _, err := issuer.recoverData(signature, []byte{formatStatic}, d.static); err != nil {
		return fmt.Errorf("the static signature: %w", err)
	}
	return errors.New("the card has only a static signature, which can be copied")
}

// dynamic opens a dynamic signature and returns the dynamic data of the card (EMV Book 2 §6.5.2, table 17).
func dynamic(key publicKey, signature []byte, formats []byte, rest ...[]byte) ([]byte, error) {
	body, err := key.recoverData(signature, formats, rest...)
	if err != nil {
		return nil, fmt.Errorf("the card's signature: %w", err)
	}
	// format 1, hash algorithm 1, length 1, dynamic data, padding
	if body[1] != hashSHA1 || int(body[2]) > len(body)-3 {
		return nil, errors.New("the card's signature: its data cannot be understood")
	}
	data := body[3 : 3+int(body[2])]
	if len(data) < 3 || data[0] < 2 || data[0] > 8 || int(data[0]) >= len(data) {
		return nil, errors.New("the card's signature: it has no dynamic number")
	}
	return data, nil
}

// defaultDDOL asks with the unpredictable number alone (EMV Book 2 §6.5.1).
var defaultDDOL = []byte{0x9F, 0x37, 4}

// verifyDDA verifies the answer to INTERNAL AUTHENTICATE (EMV Book 2 §6.5).
func (d *dialogue) verifyDDA(key publicKey, c Challenge) (bool, error) {
	ddol, err := d.one(tagDDOL)
	if err != nil {
		return false, err
	}
	if ddol == nil {
		ddol = defaultDDOL
	}
	// A device could make a list that points anywhere in data which the card signed before. So it must be the issuer's.
	if !bytes.Equal(ddol, defaultDDOL) && !d.issued(tagDDOL, ddol) {
		return false, errors.New("the DDOL is not signed by the issuer")
	}
	asked, err := c.check("DDOL", ddol, d.internal.asked)
	if err != nil {
		return false, err
	}
	if !asked.un {
		return false, errors.New("the DDOL does not ask for the unpredictable number")
	}
	objects, err := tlv.Parse(d.internal.answer)
	if err != nil || len(objects) != 1 {
		return false, errors.New("the card's signature cannot be understood")
	}
	signature := objects[0].Value // format 1
	if objects[0].Tag == tagFormat2 {
		signature, _ = objects[0].Children.Find(tagDynamic)
	}
	_, err = dynamic(key, signature, []byte{formatDynamic}, d.internal.asked)
	return asked.amount && asked.currency, err
}

// issued reports whether a value stands in a record that the issuer signed.
func (d *dialogue) issued(tag tlv.Tag, value []byte) bool {
	return slices.ContainsFunc(d.signed, func(o tlv.Object) bool { return o.Tag == tag && bytes.Equal(o.Value, value) })
}

// verifyFDDA verifies the signature that came with the answer to GET PROCESSING OPTIONS or in a record (Book C-3 Annex
// C.1). Version 01 covers amount and currency; version 00, and cards without 9F69, only the unpredictable number.
// UnionPay's cards are taken to do the same.
func (d *dialogue) verifyFDDA(key publicKey, c Challenge, options covered) (bool, error) {
	if !options.un {
		return false, errors.New("the PDOL does not ask for the unpredictable number")
	}
	signature, err := d.one(tagDynamic)
	if err != nil {
		return false, err
	}
	related, err := d.one(tagRelated)
	if err != nil {
		return false, err
	}
	formats := []byte{formatDynamic, formatFast}
	switch {
	case len(related) == 0 || related[0] == 0x00:
		_, err = dynamic(key, signature, formats, c.UnpredictableNumber[:])
		return false, err
	case related[0] != 0x01:
		return false, fmt.Errorf("version %02X of fDDA is not known", related[0])
	case !options.amount || !options.currency:
		return false, errors.New("the PDOL does not ask for amount and currency, which the card signs")
	}
	_, err = dynamic(key, signature, formats, c.UnpredictableNumber[:], c.amount(), c.currency(), related)
	return true, err
}

// verifyCDA verifies the answer to the first GENERATE AC (EMV Book 2 §6.6.2).
func (d *dialogue) verifyCDA(key publicKey, c Challenge, options covered) (bool, error) {
	cdol, err := d.one(tagCDOL1)
	if err != nil {
		return false, err
	}
	asked, err := c.check("CDOL1", cdol, d.generate.asked)
	if err != nil {
		return false, err
	}
	if !asked.un && !options.un {
		return false, errors.New("neither PDOL nor CDOL1 asks for the unpredictable number")
	}
	objects, err := tlv.Parse(d.generate.answer)
	if err != nil || len(objects) != 1 || objects[0].Tag != tagFormat2 {
		return false, errors.New("the answer to GENERATE AC cannot be understood")
	}
	signature, _ := objects[0].Children.Find(tagDynamic)
	data, err := dynamic(key, signature, []byte{formatDynamic}, c.UnpredictableNumber[:])
	if err != nil {
		return false, err
	}
	// dynamic number with its length, cryptogram information 1, cryptogram 8, hash 20
	rest := data[1+int(data[0]):]
	if len(rest) < 29 {
		return false, errors.New("the card's signature: it covers no cryptogram")
	}
	if cid, _ := objects[0].Children.Find(tagCID); !bytes.Equal(cid, rest[:1]) {
		return false, errors.New("the card signed another kind of cryptogram")
	}
	others, err := tlv.Without(objects[0].Value, tagDynamic)
	if err != nil {
		return false, errors.New("the answer to GENERATE AC cannot be understood")
	}
	sum := sha1.Sum(slices.Concat(d.values, d.generate.asked, others))
	if subtle.ConstantTimeCompare(sum[:], rest[9:29]) != 1 {
		return false, errors.New("the card signed other data than the reader and it exchanged")
	}
	return asked.amount && asked.currency && d.issued(tagCDOL1, cdol), nil
}
