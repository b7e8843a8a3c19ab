package card

import (
	"context"

	"tapline/card/apdu"
	"tapline/card/tlv"
)

// Data objects by which a card proves itself (EMV Book 3 Annex A1; 9F66: Book C-3 Annex A.2).
const (
	tagCDOL1             tlv.Tag = 0x8C
	tagAuthorityIndex    tlv.Tag = 0x8F
	tagIssuerCertificate tlv.Tag = 0x90
	tagCardCertificate   tlv.Tag = 0x9F46
	tagDDOL              tlv.Tag = 0x9F49
	tagSignature         tlv.Tag = 0x9F4B
	tagQualifiers        tlv.Tag = 0x9F66
)

// Bits of the application interchange profile's first byte (EMV Book 3 Annex C1).
const (
	profileDDA = 0x20
	profileCDA = 0x01
)

// requestSigned asks GENERATE AC for an online cryptogram, with a signature (EMV Book 3 §6.5.5.2). Cards need not sign a
// refusal (AAC), and an approval (TC) would spend. An online cryptogram that nobody sends to the issuer spends nothing. What
// remains is the card's count of transactions, which GET PROCESSING OPTIONS moves in any case, and that some cards then
// want the issuer to be asked at their next purchase.
const requestSigned = 0x80 | 0x10

// defaultDDOL asks with the unpredictable number alone (EMV Book 2 §6.5.1).
var defaultDDOL = []byte{0x9F, 0x37, 4}

// proof gathers what tells how the card can prove itself. A nil proof gathers nothing.
type proof struct {
	profile byte
	objects tlv.List
}

// canProve reports whether the card says that it can sign. Static signatures do not count: they can be copied.
func (o options) canProve() bool {
	return len(o.profile) == 2 && o.profile[0]&(profileDDA|profileCDA) != 0
}

func newProof(o options) *proof { return &proof{o.profile[0], o.objects} }

func (p *proof) collect(objects tlv.List) {
	if p != nil {
		p.objects = append(p.objects, objects...)
	}
}

func (p *proof) has(tag tlv.Tag) bool {
	value, _ := p.objects.Find(tag)
	return len(value) > 0
}

// askProof makes the card sign, unless it has (fDDA) or lacks the certificates without which a signature proves nothing.
// CDA comes before DDA, since it covers the amount (EMV Book 3 §10.3). What the card answers is for the service to
// judge: the error is only that the card was removed or the context ended.
func (s *session) askProof(ctx context.Context, p *proof, terminal Terminal, scheme Scheme) error {
	if p.has(tagSignature) || !p.has(tagAuthorityIndex) || !p.has(tagIssuerCertificate) || !p.has(tagCardCertificate) {
		return nil
	}
	command := apdu.InternalAuthenticate
	name, list := "DDOL", defaultDDOL
	if cdol, _ := p.objects.Find(tagCDOL1); p.profile&profileCDA != 0 && len(cdol) > 0 {
		command = func(data []byte) apdu.Command { return apdu.GenerateAC(requestSigned, data) }
		name, list = "CDOL1", cdol
	} else if p.profile&profileDDA == 0 {
		return nil
	} else if ddol, _ := p.objects.Find(tagDDOL); len(ddol) > 0 {
		list = ddol
	}
	data, err := terminal.listData(name, list, scheme)
	if err == nil {
		_, _, err = s.send(ctx, command(data))
	}
	if err != nil && !aboutCard(err) {
		return err
	}
	return nil
}
