package tlv_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapline/card/tlv"
)

func raw(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestObjectsAreReadWithTheirTemplates(t *testing.T) {
	got, err := tlv.Parse(raw(t, "00 6F 0C 84 02 AABB FF 00 A5 04 9F38 01 07 00 5A 81 01 11 DF8104 00"))
	if err != nil {
		t.Fatal(err)
	}
	want := tlv.List{
		{Tag: 0x6F, Value: raw(t, "84 02 AABB FF 00 A5 04 9F38 01 07"), Children: tlv.List{
			{Tag: 0x84, Value: []byte{0xAA, 0xBB}},
			{Tag: 0xA5, Value: raw(t, "9F38 01 07"), Children: tlv.List{{Tag: 0x9F38, Value: []byte{7}}}},
		}},
		{Tag: 0x5A, Value: []byte{0x11}},
		{Tag: 0xDF8104, Value: []byte{}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if value, found := got.Find(0x9F38); !found || !bytes.Equal(value, []byte{7}) {
		t.Errorf("9F38: got %X, %v", value, found)
	}
	if value, found := got.Find(0xDF8104); !found || len(value) != 0 {
		t.Errorf("an object without a value: got %X, %v", value, found)
	}
	if _, found := got.Find(0x57); found {
		t.Error("found an object that is not there")
	}
}

func TestWhatIsNotTLVIsRefused(t *testing.T) {
	for _, text := range []string{
		"5A",                 // no length
		"5A 02 11",           // value cut short
		"5A 81",              // length cut short
		"5A 82 01",           // length cut short
		"5A 80 11 00 00",     // indefinite length
		"5A 83 000001 11",    // length of three bytes
		"9F",                 // tag cut short
		"9F 81",              // tag cut short
		"9F 81 82 83 04",     // tag of five bytes
		"6F 03 5A 02 11",     // template cut short
		"61 04 61 03 5A 01",  // template longer than the one around it
		nested(tlv.MaxDepth), // too deep
	} {
		if got, err := tlv.Parse(raw(t, text)); !errors.Is(err, tlv.ErrMalformed) {
			t.Errorf("%s: got %v, %v; want ErrMalformed", text, got, err)
		}
	}
	if _, err := tlv.Parse(raw(t, nested(tlv.MaxDepth-1))); err != nil {
		t.Errorf("nested to the bound: %v", err)
	}
}

// nested is a primitive object within so many templates.
func nested(templates int) string {
	object := []byte{0x5A, 0x01, 0x11}
	for range templates {
		object = tlv.Append(nil, 0x61, object)
	}
	return hex.EncodeToString(object)
}

func TestTemplatesAreFoundAtAnyDepth(t *testing.T) {
	list, err := tlv.Parse(raw(t, "6F 0B BF0C 08 61 02 4F00 61 02 5000"))
	if err != nil {
		t.Fatal(err)
	}
	if got := list.Templates(0x61); len(got) != 2 || got[0].Children[0].Tag != 0x4F || got[1].Children[0].Tag != 0x50 {
		t.Errorf("got %v", got)
	}
}

func TestDataObjectListHasTagsAndLengths(t *testing.T) {
	got, err := tlv.ParseDOL(raw(t, "9F66 04 9C 01 DF8104 FF"))
	want := []tlv.Element{{Tag: 0x9F66, Length: 4}, {Tag: 0x9C, Length: 1}, {Tag: 0xDF8104, Length: 255}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	for _, text := range []string{"9F66", "9F", "9C 01 9A"} {
		if got, err := tlv.ParseDOL(raw(t, text)); !errors.Is(err, tlv.ErrMalformed) {
			t.Errorf("%s: got %v, %v; want ErrMalformed", text, got, err)
		}
	}
}

// FuzzTLV: what can be read can be written, and reads the same; the rest is refused as ErrMalformed.
func FuzzTLV(f *testing.F) {
	for _, text := range []string{"", "00FF00", "6F0984 02AABBA5 035A0111", "5A8100", "9F38039F6604", nested(9), "6F8201005A"} {
		f.Add(raw(f, text))
	}
	f.Add(tlv.Append(nil, 0x70, bytes.Repeat([]byte{0x5A, 0x00}, 200)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := tlv.ParseDOL(data); err != nil && !errors.Is(err, tlv.ErrMalformed) {
			t.Errorf("data object list: %v", err)
		}
		list, err := tlv.Parse(data)
		if err != nil {
			if !errors.Is(err, tlv.ErrMalformed) || list != nil {
				t.Errorf("got %v, %v", list, err)
			}
			return
		}
		var written []byte
		for _, object := range list {
			written = tlv.Append(written, object.Tag, object.Value)
		}
		again, err := tlv.Parse(written)
		if err != nil || !reflect.DeepEqual(list, again) { // cmp.Diff takes seconds for long lists
			t.Errorf("%X written as %X: %v, got %v, want %v", data, written, err, again, list)
		}
		if len(list) == 0 {
			return
		}
		first := list[0].Tag
		rest, err := tlv.Without(data, first)
		if err != nil {
			t.Errorf("%X without %s: %v", data, first, err)
		}
		left, err := tlv.Parse(rest)
		if err != nil || slices.ContainsFunc(left, func(o tlv.Object) bool { return o.Tag == first }) {
			t.Errorf("%X without %s is %X: %v", data, first, rest, err)
		}
	})
}

func TestWithoutKeepsTheOtherObjectsAsTheyWereEncoded(t *testing.T) {
	for _, c := range []struct{ data, want string }{
		{"9F270180 9F4B81020102 9F3681020001", "9F270180 9F3681020001"}, // lengths in more bytes than needed
		{"00 9F4B0101 FF 9F360100 00", "9F360100"},
		{"77059F4B020102", "77059F4B020102"},
		{"", ""},
	} {
		got, err := tlv.Without(raw(t, c.data), 0x9F4B)
		if err != nil || !bytes.Equal(got, raw(t, c.want)) {
			t.Errorf("%s: got %X, %v; want %s", c.data, got, err, c.want)
		}
	}
	if _, err := tlv.Without(raw(t, "9F4B02 01"), 0x9F4B); !errors.Is(err, tlv.ErrMalformed) {
		t.Errorf("cut short: got %v", err)
	}
}
