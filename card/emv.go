package card

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tapline/card/apdu"
	"tapline/card/tlv"
)

// directoryName is the name of the directory of contactless applications, the PPSE (EMV Book B §3.3).
const directoryName = "2PAY.SYS.DDF01"

// Data objects that Tapline reads (EMV Book 3 Annex A1; 9F6B: EMV Book C-2 Annex A.1).
const (
	tagAID         tlv.Tag = 0x4F
	tagLabel       tlv.Tag = 0x50
	tagTrack2      tlv.Tag = 0x57
	tagNumber      tlv.Tag = 0x5A
	tagEntry       tlv.Tag = 0x61
	tagFormat1     tlv.Tag = 0x80
	tagProfile     tlv.Tag = 0x82
	tagCommandData tlv.Tag = 0x83
	tagName        tlv.Tag = 0x84
	tagPriority    tlv.Tag = 0x87
	tagLocator     tlv.Tag = 0x94
	tagExpiry      tlv.Tag = 0x5F24
	tagSequence    tlv.Tag = 0x5F34
	tagReference   tlv.Tag = 0x9F24
	tagPDOL        tlv.Tag = 0x9F38
	tagMagstripe2  tlv.Tag = 0x9F6B
)

const maxCandidates = 16

// candidate is an application that may hold the account.
type candidate struct {
	aid      AID
	label    string
	priority byte // 1 is first; 16 for none
}

// directory lists the applications of the PPSE in order of priority (EMV Book B §3.3), equal ones in the order of
// the card. A card without a usable directory lists none, and status says what it answered.
func (s *session) directory(ctx context.Context) (listed []candidate, status statusWord, err error) {
	data, status, err := s.send(ctx, apdu.Select([]byte(directoryName)))
	if err != nil && aboutCard(err) {
		return nil, 0, nil
	}
	if err != nil || !status.OK() {
		return nil, status, err
	}
	objects, err := tlv.Parse(data)
	if err != nil {
		return nil, status, nil // the list of known applications may still work
	}
	for _, entry := range objects.Templates(tagEntry) {
		name, _ := entry.Children.Find(tagAID)
		if len(name) < 5 || len(name) > 16 || len(listed) == maxCandidates {
			continue
		}
		c := candidate{aid: aidOf(name), priority: 16}
		if label, ok := entry.Children.Find(tagLabel); ok {
			c.label = printable(label)
		}
		if p, _ := entry.Children.Find(tagPriority); len(p) == 1 && p[0]&0x0F != 0 {
			c.priority = p[0] & 0x0F
		}
		if !slices.ContainsFunc(listed, func(other candidate) bool { return other.aid == c.aid }) {
			listed = append(listed, c)
		}
	}
	slices.SortStableFunc(listed, func(a, b candidate) int { return cmp.Compare(a.priority, b.priority) })
	return withPurse(listed), status, nil
}

// readApplication selects one application and reads its account. If status is not 9000, the card refused to select
// it, and err is nil.
func (s *session) readApplication(ctx context.Context, c candidate, terminal Terminal) (Reading, statusWord, error) {
	command := apdu.Select(c.aid.Bytes())
	scheme, purse := SchemeOf(c.aid), isPurse(c.aid)
	s.start(terminal.Prove && !purse)
	if purse {
		command.Le = 0 // as transport readers do; cards of 2022 and 2024 answer it with data
	}
	data, status, err := s.send(ctx, command)
	if err == nil && purse && (len(data) == 0 && status.OK() || status == apdu.StatusWrongLength) {
		command.Le = apdu.AnyLength
		data, status, err = s.send(ctx, command)
	}
	if err != nil || !status.OK() {
		return Reading{}, status, err
	}
	fci, err := tlv.Parse(data)
	if err != nil {
		return Reading{}, status, fmt.Errorf("%w: SELECT %s: %w", ErrMalformed, c.aid, err)
	}
	reading := Reading{AID: c.aid, Scheme: scheme, Label: c.label, Assurance: Identified}
	if name, _ := fci.Find(tagName); len(name) >= 5 && len(name) <= 16 {
		reading.AID = aidOf(name)
	}
	if label, ok := fci.Find(tagLabel); ok && reading.Label == "" {
		reading.Label = printable(label)
	}
	switch {
	case purse:
		err = s.readTUnion(ctx, fci, &reading)
	case isCity(scheme):
		err = s.readCity(ctx, fci, &reading)
	default:
		err = s.readEMV(ctx, fci, terminal, &reading)
		reading.Transcript = s.transcript
	}
	return reading, status, err
}

// readEMV runs a selected application as far as its account, and on to its proof if that is wanted: GET PROCESSING
// OPTIONS, its records, and what makes it sign.
func (s *session) readEMV(ctx context.Context, fci tlv.List, terminal Terminal, reading *Reading) error {
	found := account{}
	options, err := s.processingOptions(ctx, fci, terminal, reading, found)
	if err != nil && (!aboutCard(err) || found.number().IsZero()) { // a bad locator does not matter if the account is there
		return err
	}
	var proof *proof
	if terminal.Prove && options.canProve() {
		proof = newProof(options)
	}
	complaint := s.records(ctx, options.files, found, proof)
	if proof != nil && errors.Is(complaint, errTooMany) && !found.number().IsZero() {
		complaint, proof = nil, nil // its account is known; only the proof takes too long
	}
	if complaint != nil && (!aboutCard(complaint) || found.number().IsZero()) {
		return complaint
	}
	if err := found.fill(reading); err != nil || proof == nil {
		return err
	}
	return s.askProof(ctx, proof, terminal, reading.Scheme)
}

// options is the answer to GET PROCESSING OPTIONS.
type options struct {
	profile []byte // application interchange profile
	files   []file
	objects tlv.List
}

// processingOptions starts the application (EMV Book 3 §6.5.8). The answer may already hold the account: in format 2,
// or, on some cards, in the template of a record.
func (s *session) processingOptions(ctx context.Context, fci tlv.List, terminal Terminal, reading *Reading,
	found account) (options, error) {
	pdol, _ := fci.Find(tagPDOL)
	data, err := terminal.listData("PDOL", pdol, reading.Scheme)
	if err != nil {
		return options{}, err
	}
	answer, status, err := s.send(ctx, apdu.GetProcessingOptions(tlv.Append(nil, tagCommandData, data)))
	if err == nil && len(data) > 0 && !status.OK() {
		// Some cards print a PDOL and refuse the data they asked for, but work without.
		answer, status, err = s.send(ctx, apdu.GetProcessingOptions(tlv.Append(nil, tagCommandData, nil)))
	}
	if err != nil {
		return options{}, err
	}
	if !status.OK() {
		sentinel := ErrNoAccount
		if refusesUse(status) {
			sentinel = ErrBlocked
		}
		return options{}, fmt.Errorf("%w: GET PROCESSING OPTIONS of %s answers %s", sentinel, reading.AID, status)
	}
	objects, err := tlv.Parse(answer)
	if err != nil {
		return options{}, fmt.Errorf("%w: GET PROCESSING OPTIONS of %s: %w", ErrMalformed, reading.AID, err)
	}
	found.collect(objects)
	o := options{objects: objects}
	if value, ok := objects.Find(tagFormat1); ok { // application interchange profile, two bytes, then the locator
		cut := min(2, len(value))
		o.profile = value[:cut]
		o.files, err = parseLocator(value[cut:], true)
		return o, err
	}
	o.profile, _ = objects.Find(tagProfile)
	locator, _ := objects.Find(tagLocator)
	o.files, err = parseLocator(locator, false)
	return o, err
}

// records reads the records of the files until the account is known. After that it reads on only for the sequence
// number, and only in records that are likely to have it: no other is worth the holder's time. A record that is
// missing or cannot be understood is passed over; the last such complaint is returned. A proof needs every record.
func (s *session) records(ctx context.Context, files []file, found account, proof *proof) (complaint error) {
	for _, file := range files {
		for number := file.first; number <= file.last; number++ {
			if proof == nil && found.known() && (found.has(tagSequence) || !file.tellsSequence(number)) {
				continue
			}
			data, status, err := s.send(ctx, apdu.ReadRecord(file.sfi, byte(number)))
			if err != nil && !aboutCard(err) {
				return err
			}
			if err != nil {
				complaint = err
				continue
			}
			if !status.OK() {
				complaint = fmt.Errorf("%w: READ RECORD answers %s", ErrNoAccount, status)
				continue
			}
			objects, err := tlv.Parse(data)
			if err != nil {
				complaint = fmt.Errorf("%w: record %d of file %d: %w", ErrMalformed, number, file.sfi, err)
				continue
			}
			found.collect(objects)
			proof.collect(objects)
		}
	}
	return complaint
}

// file is one entry of the application file locator (EMV Book 3 §10.2).
type file struct {
	sfi         byte
	first, last int
	likely      int // how many records, from the first, are likely to have the sequence number
}

func (f file) tellsSequence(number int) bool { return number < f.first+f.likely }

// parseLocator reads the file locator. The sequence number is likely in records that the issuer signed, whose count is
// an entry's fourth byte (EMV Book 3 §10.2). A card that answers in format 1 is laid out as for a contact terminal, with track 2 in a
// record of its own before those with number and sequence number, and often none is signed: then any record may have it.
func parseLocator(data []byte, format1 bool) ([]file, error) {
	if len(data)%4 != 0 {
		return nil, fmt.Errorf("%w: file locator of %d bytes", ErrMalformed, len(data))
	}
	var files []file
	for entry := range slices.Chunk(data, 4) {
		f := file{sfi: entry[0] >> 3, first: int(entry[1]), last: int(entry[2]), likely: int(entry[3])}
		if format1 {
			f.likely = f.last - f.first + 1
		}
		if f.sfi == 0 || f.sfi == 31 || entry[0]&0x07 != 0 || f.first == 0 || f.last < f.first {
			return nil, fmt.Errorf("%w: file locator entry %X", ErrMalformed, entry)
		}
		files = append(files, f)
	}
	return files, nil
}

// printable keeps what an application label may hold, letters, digits and space of ASCII, and cuts it to 16
// characters (EMV Book 3 Annex A1).
func printable(label []byte) string {
	var b strings.Builder
	for _, c := range label[:min(16, len(label))] {
		if c >= ' ' && c <= '~' {
			b.WriteByte(c)
		}
	}
	return strings.TrimSpace(b.String())
}
