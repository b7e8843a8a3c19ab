package oda

import (
	"bytes"
	"fmt"
	"slices"

	"tapline/card"
	"tapline/card/apdu"
	"tapline/card/tlv"
)

// Data objects of the dialogue (EMV Book 3 Annex A1; 9F69: Book C-3 Annex A).
const (
	tagTrack2      tlv.Tag = 0x57
	tagNumber      tlv.Tag = 0x5A
	tagRecord      tlv.Tag = 0x70
	tagFormat2     tlv.Tag = 0x77
	tagFormat1     tlv.Tag = 0x80
	tagProfile     tlv.Tag = 0x82
	tagCommandData tlv.Tag = 0x83
	tagName        tlv.Tag = 0x84
	tagCDOL1       tlv.Tag = 0x8C
	tagAuthority   tlv.Tag = 0x8F
	tagIssuerCert  tlv.Tag = 0x90
	tagIssuerRest  tlv.Tag = 0x92
	tagStatic      tlv.Tag = 0x93
	tagLocator     tlv.Tag = 0x94
	tagExpiry      tlv.Tag = 0x5F24
	tagCurrency    tlv.Tag = 0x5F2A
	tagAmount      tlv.Tag = 0x9F02
	tagCID         tlv.Tag = 0x9F27
	tagIssuerExp   tlv.Tag = 0x9F32
	tagUN          tlv.Tag = 0x9F37
	tagPDOL        tlv.Tag = 0x9F38
	tagCardCert    tlv.Tag = 0x9F46
	tagCardExp     tlv.Tag = 0x9F47
	tagCardRest    tlv.Tag = 0x9F48
	tagDDOL        tlv.Tag = 0x9F49
	tagStaticTags  tlv.Tag = 0x9F4A
	tagDynamic     tlv.Tag = 0x9F4B
	tagRelated     tlv.Tag = 0x9F69
)

// dialogue is what a reader and one application of a card said to each other.
type dialogue struct {
	aid     card.AID
	pdol    []byte
	started bool   // GET PROCESSING OPTIONS was answered
	values  []byte // what the reader said to the PDOL

	profile []byte
	files   []file
	records map[place][]byte

	objects tlv.List // all that the card told of itself, flat, in the order of the card
	signed  tlv.List // those of them that are in records the issuer signed
	static  []byte   // what the issuer's signature covers

	internal, generate *answered // INTERNAL AUTHENTICATE and GENERATE AC

	// flaw is the first thing about the dialogue that leaves nothing to prove, though there may be an account.
	flaw string
}

// answered is a command's data and their answer.
type answered struct{ asked, answer []byte }

// place is where a record is.
type place struct{ sfi, number byte }

// file is one entry of the file locator (EMV Book 3 §10.2).
type file struct{ sfi, first, last, signed byte }

// step is one command and its whole answer.
type step struct {
	command apdu.Command
	answer  []byte
}

// walk follows a transcript and returns the last application's dialogue.
func walk(transcript card.Transcript) (*dialogue, error) {
	steps, err := steps(transcript)
	if err != nil {
		return nil, err
	}
	d := &dialogue{}
	for _, s := range steps {
		if s.command.Class == 0x00 && s.command.Instruction == apdu.InsSelect {
			d = selected(s)
			continue
		}
		if err := d.follow(s); err != nil {
			return nil, err
		}
	}
	if !d.started {
		return nil, fmt.Errorf("%w: no application was started", ErrNoAccount)
	}
	d.gather()
	return d, nil
}

// steps puts answers together that came in parts, and leaves out commands that were refused, but SELECT, which ends
// what was before it (ISO/IEC 7816-4 §5.6).
func steps(transcript card.Transcript) ([]step, error) {
	size := 0
	for _, e := range transcript {
		size += len(e.Command) + len(e.Response)
	}
	if len(transcript) > MaxExchanges || size > MaxBytes {
		return nil, fmt.Errorf("%w: it is longer than %d exchanges or %d bytes", ErrMalformed, MaxExchanges, MaxBytes)
	}
	var done []step
	var partial *step // waits for GET RESPONSE
	for i, e := range transcript {
		command, err := apdu.ParseCommand(e.Command)
		if err != nil {
			return nil, fmt.Errorf("%w: exchange %d: not a command", ErrMalformed, i)
		}
		n := len(e.Response) - 2
		if n < 0 {
			return nil, fmt.Errorf("%w: exchange %d: no status word", ErrMalformed, i)
		}
		data, status := e.Response[:n], apdu.Status(e.Response[n])<<8|apdu.Status(e.Response[n+1])
		s := step{command, data}
		if command.Class == 0x00 && command.Instruction == apdu.InsGetResponse {
			if partial == nil {
				return nil, fmt.Errorf("%w: exchange %d: nothing was left to get", ErrMalformed, i)
			}
			s = step{partial.command, slices.Concat(partial.answer, data)}
		}
		_, more := status.More()
		_, again := status.WrongLe()
		switch {
		case more:
			partial = &s
			continue
		case again && partial != nil && command.Instruction == apdu.InsGetResponse:
			continue // asked again with the right length
		}
		partial = nil
		useful := status.OK() || status.Warning() && status != apdu.StatusInvalidated && len(s.answer) > 0
		if !useful {
			s.answer = nil
		}
		if useful || s.command.Instruction == apdu.InsSelect {
			done = append(done, s)
		}
	}
	return done, nil
}

// selected begins the dialogue with an application. Of one that does not name itself nothing is started.
func selected(s step) *dialogue {
	d := &dialogue{records: map[place][]byte{}}
	control, err := tlv.Parse(s.answer)
	name, _ := control.Find(tagName)
	if err != nil || len(name) < 5 || len(name) > 16 {
		name = s.command.Data
		d.fault("the application does not name itself")
	}
	if !bytes.HasPrefix(name, s.command.Data) {
		d.fault("another application was selected than answered")
	}
	d.aid = card.AID(fmt.Sprintf("%X", name))
	d.pdol, _ = control.Find(tagPDOL)
	return d
}

func (d *dialogue) fault(flaw string) {
	if d.flaw == "" {
		d.flaw = flaw
	}
}

// follow takes one step within an application. What it does not know, such as GET DATA, it passes over.
func (d *dialogue) follow(s step) error {
	c := s.command
	switch {
	case d.records == nil: // before any SELECT
		return nil
	case c.Class == 0x80 && c.Instruction == apdu.InsGetProcessingOptions:
		return d.start(s)
	case !d.started:
		return nil
	case c.Class == 0x00 && c.Instruction == apdu.InsReadRecord && c.P2&0x07 == 0x04:
		at := place{c.P2 >> 3, c.P1}
		if before, again := d.records[at]; again && !bytes.Equal(before, s.answer) {
			return fmt.Errorf("%w: a record has two contents", ErrMalformed)
		}
		d.records[at] = s.answer
	case c.Class == 0x00 && c.Instruction == apdu.InsInternalAuthenticate:
		if d.internal != nil {
			d.fault("the card was asked to sign twice")
		}
		d.internal = &answered{c.Data, s.answer}
	case c.Class == 0x80 && c.Instruction == apdu.InsGenerateAC:
		if d.generate != nil {
			d.fault("the card was asked for two cryptograms")
		}
		d.generate = &answered{c.Data, s.answer}
	}
	return nil
}

// start takes GET PROCESSING OPTIONS (EMV Book 3 §6.5.8).
func (d *dialogue) start(s step) error {
	if d.started {
		return fmt.Errorf("%w: an application was started twice", ErrMalformed)
	}
	d.started = true
	if asked, err := tlv.Parse(s.command.Data); err == nil && len(asked) == 1 && asked[0].Tag == tagCommandData {
		d.values = asked[0].Value
	} else {
		d.fault("GET PROCESSING OPTIONS has no command template")
	}
	objects, err := tlv.Parse(s.answer)
	if err != nil || len(objects) == 0 {
		return fmt.Errorf("%w: the answer to GET PROCESSING OPTIONS", ErrMalformed)
	}
	var locator []byte
	if value, ok := objects.Find(tagFormat1); ok {
		cut := min(2, len(value))
		d.profile, locator = value[:cut], value[cut:]
	} else {
		d.profile, _ = objects.Find(tagProfile)
		locator, _ = objects.Find(tagLocator)
		d.objects = flat(objects)
	}
	if len(locator)%4 != 0 {
		return fmt.Errorf("%w: the file locator", ErrMalformed)
	}
	for entry := range slices.Chunk(locator, 4) {
		f := file{entry[0] >> 3, entry[1], entry[2], entry[3]}
		if f.sfi == 0 || f.sfi == 31 || f.first == 0 || f.last < f.first {
			return fmt.Errorf("%w: the file locator", ErrMalformed)
		}
		if int(f.signed) > int(f.last)-int(f.first)+1 {
			d.fault("the file locator has more signed records than records")
		}
		d.files = append(d.files, f)
	}
	return nil
}

// gather goes through the records in the order of the file locator, whatever the order they were read in. Others than
// the locator names are no part of the application.
func (d *dialogue) gather() {
	seen := map[place]bool{}
	for _, f := range d.files {
		for n := int(f.first); n <= int(f.last); n++ {
			at := place{f.sfi, byte(n)}
			data, read := d.records[at]
			signed := n < int(f.first)+int(f.signed)
			if signed && !read {
				d.fault("a signed record was not read")
			}
			if seen[at] {
				d.fault("the file locator names a record twice")
			}
			if !read || seen[at] {
				continue
			}
			seen[at] = true
			objects, err := tlv.Parse(data)
			if err != nil {
				if signed {
					d.fault("a signed record cannot be understood")
				}
				continue
			}
			d.objects = append(d.objects, flat(objects)...)
			if signed {
				d.sign(f.sfi, data, objects)
			}
		}
	}
	d.tagList()
}

// sign adds a record to the static data: of files 1 to 10 what is in its template, of others all (EMV Book 3 §10.3).
func (d *dialogue) sign(sfi byte, data []byte, objects tlv.List) {
	if len(objects) == 0 || objects[0].Tag != tagRecord || data[0] != byte(tagRecord) {
		d.fault("a signed record is not in a record template")
		return
	}
	d.signed = append(d.signed, flat(objects)...)
	if sfi > 10 {
		d.static = append(d.static, data...)
		return
	}
	head := 2
	if data[1] > 0x80 {
		head += int(data[1] & 0x7F)
	}
	d.static = append(d.static, data[head:]...)
}

// tagList adds the application interchange profile to the static data if the card wants that; it may not want more
// (EMV Book 3 §10.3).
func (d *dialogue) tagList() {
	list, found := d.objects.Find(tagStaticTags)
	switch {
	case !found || len(list) == 0:
	case bytes.Equal(list, []byte{byte(tagProfile)}):
		d.static = append(d.static, d.profile...)
	default:
		d.fault("the card wants more data signed than EMV allows")
	}
}

// flat is every primitive object with a value, depth first.
func flat(objects tlv.List) tlv.List {
	var all tlv.List
	for _, o := range objects {
		if o.Tag.Constructed() {
			all = append(all, flat(o.Children)...)
		} else if len(o.Value) > 0 {
			all = append(all, o)
		}
	}
	return all
}

// one returns the only value of a tag; nil if there is none, and an error if the card told two that differ.
func (d *dialogue) one(tag tlv.Tag) ([]byte, error) {
	var value []byte
	for _, o := range d.objects {
		if o.Tag != tag {
			continue
		}
		if value != nil && !bytes.Equal(value, o.Value) {
			return nil, fmt.Errorf("the card told two values of %s", tag)
		}
		value = o.Value
	}
	return value, nil
}
