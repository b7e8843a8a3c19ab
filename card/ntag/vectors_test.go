package ntag

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapline/card/cmac"
	"tapline/card/sun"
)

// The values in this file are the worked examples of NXP's application note AN12196, rev. 2.0, by the number of its
// tables. The settings of table 7 are those of the note; the SUN examples of the note are in package sun.

// script is a card that says what the note says, once each, in order.
type script struct {
	*testing.T
	lines [][2]string // command and answer in hexadecimal digits, with blanks
}

func (s *script) Transmit(_ context.Context, command []byte) ([]byte, error) {
	s.Helper()
	if len(s.lines) == 0 {
		s.Fatalf("unexpected command %X", command)
	}
	line := s.lines[0]
	s.lines = s.lines[1:]
	if want := unhex(line[0]); !bytes.Equal(command, want) {
		s.Errorf("command\n got %X\nwant %X", command, want)
	}
	return unhex(line[1]), nil
}

func unhex(text string) []byte {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		panic(err)
	}
	return raw
}

// scripted is a tag that plays lines, in the session that is given, with the random numbers that are given.
func scripted(t *testing.T, s *session, random string, lines ...[2]string) *Tag {
	t.Helper()
	played := &script{T: t, lines: lines}
	t.Cleanup(func() {
		if len(played.lines) > 0 {
			t.Errorf("%d commands were not sent", len(played.lines))
		}
	})
	return &Tag{transmitter: played, session: s, random: func(b []byte) { copy(b, unhex(random)) }}
}

// inSession is a session of the note.
func inSession(transaction, encryption, mac string, counter uint16) *session {
	return &session{
		transaction: [4]byte(unhex(transaction)), encryption: cmac.Block(unhex(encryption)), mac: cmac.Block(unhex(mac)), counter: counter,
	}
}

const (
	zero16 = "00000000000000000000000000000000"
	// The sessions of tables 14 and 23; TI of the latter is that of table 19.
	ti14, enc14, mac14 = "9D00C4DF", "1309C877509E5A215007FF0ED19CA564", "4C6626F5E72EA694202139295C7A7FC7"
	ti23, enc23, mac23 = "7614281A", "4CF3CB41A22583A61E89B158D252FC53", "5529860B2FC5FB6154B7F28361D30BF9"
)

func TestFirstAuthenticationIsThatOfAN12196Table14(t *testing.T) {
	tag := scripted(t, nil, "13C5DB8A5930439FC3DEF9A4C675360F",
		[2]string{"9071000002 0000 00", "A04C124213C186F22399D33AC2A30215 91AF"},
		[2]string{"90AF000020 35C3E05A752E0144BAC0DE51C1F22C56B34408A23D8AEA266CAB947EA8E0118D 00",
			"3FA64DB5446D1F34CD6EA311167F5E4985B89690C04A05F17FA7AB2F08120663 9100"})
	if err := tag.Authenticate(t.Context(), 0, sun.Key{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(inSession(ti14, enc14, mac14, 0), tag.session, cmp.AllowUnexported(session{})); diff != "" {
		t.Error(diff)
	}
}

func TestFirstAuthenticationWithAnotherKeyIsThatOfAN12196Table19(t *testing.T) {
	tag := scripted(t, nil, "B98F4C50CF1C2E084FD150E33992B048",
		[2]string{"9071000002 0300 00", "B875CEB0E66A6C5CD00898DC371F92D1 91AF"},
		[2]string{"90AF000020 FF0306E47DFBC50087C4D8A78E88E62DE1E8BE457AA477C707E2F0874916A8B1 00",
			"0CC9A8094A8EEA683ECAAC5C7BF20584206D0608D477110FC6B3D5D3F65C3A6A 9100"})
	if err := tag.Authenticate(t.Context(), 3, sun.Key{}); err != nil {
		t.Fatal(err)
	}
	want := inSession(ti23, "7A93D6571E4B180FCA6AC90C9A7488D4", "FC4AF159B62E549B5812394CAB1918CC", 0)
	want.number = 3
	if diff := cmp.Diff(want, tag.session, cmp.AllowUnexported(session{})); diff != "" {
		t.Error(diff)
	}
}

func TestAuthenticationWithinASessionIsThatOfAN12196Table23(t *testing.T) {
	before := inSession(ti23, "7A93D6571E4B180FCA6AC90C9A7488D4", "FC4AF159B62E549B5812394CAB1918CC", 1)
	tag := scripted(t, before, "60BE759EDA560250AC57CDDC11743CF6",
		[2]string{"9077000001 00 00", "A6A2B3C572D06C097BB8DB70463E22DC 91AF"},
		[2]string{"90AF000020 BE7D45753F2CAB85F34BC60CE58B940763FE969658A532DF6D95EA2773F6E991 00", "B888349C24B315EAB5B589E279C8263E 9100"})
	if err := tag.AuthenticateAgain(t.Context(), 0, sun.Key{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(inSession(ti23, enc23, mac23, 1), tag.session, cmp.AllowUnexported(session{})); diff != "" {
		t.Error(diff)
	}
}

// The note's table shows a MAC key only, and the status before the data.
func TestFileSettingsAreThoseOfAN12196Table7(t *testing.T) {
	tag := scripted(t, inSession("7A21085E", zero16, "8248134A386E86EB7FAF54A52E536CB6", 0), "",
		[2]string{"90F5000009 02 6597A457C8CD442C 00", "0040EEEE000100D1FE001F00004400004400002000006A0000 2A474282E7A47986 9100"})
	got, err := tag.FileSettings(t.Context(), NDEFFile)
	if err != nil {
		t.Fatal(err)
	}
	want := FileSettings{
		Read: Free, Write: Free, ReadWrite: Free, Change: Free, Size: 256,
		SDM: &SDM{
			UID: true, Counter: true, Encrypted: true, ASCII: true, MetaRead: 0, FileRead: 0, CounterRead: Free,
			PICCOffset: 0x1F, MACFrom: 0x44, EncryptedOffset: 0x44, EncryptedLength: 0x20, MACOffset: 0x6A,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What table 17 says of the length in its fourth step differs from the command that it ends in; the command counts.
func TestEncryptedWriteIsThatOfAN12196Table17(t *testing.T) {
	data := make([]byte, 128)
	copy(data, unhex("0051D1014D550463686F6F73652E75726C2E636F6D2F6E7461673432343F653D3030303030303030303030303030303030303030303030"+
		"30303030303030303026633D30303030303030303030303030303030"))
	tag := scripted(t, inSession(ti14, enc14, mac14, 0), "", [2]string{
		"908D00009F 02000000800000 421C73A27D827658AF481FDFF20A5025B559D0E3AA21E58D347F343CFFC768BFE596C706BC00F2176781D4B0242642A0" +
			"FF5A42C461AAF894D9A1284B8C76BCFA658ACD40555D362E08DB15CF421B51283F9064BCBE20E96CAE545B407C9D651A" +
			"3315B27373772E5DA2367D2064AE054AF996C6F1F669170FA88CE8C4E3A4A7BBBEF0FD971FF532C3A802AF745660F2B4 D1D9A8499661EBF3 00",
		"FC222E5F7A542452 9100"})
	if err := tag.WriteData(t.Context(), NDEFFile, Full, 0, data); err != nil {
		t.Error(err)
	}
}

func TestChangedFileSettingsAreThoseOfAN12196Table18(t *testing.T) {
	lines := [2]string{"905F000019 02 61B6D97903566E84C3AE5274467E89EA D799B7C1A0EF7A04 00", "57BFF87B1241E93D 9100"}
	settings := FileSettings{
		Read: Free, Write: 0, ReadWrite: 0, Change: 0,
		SDM: &SDM{
			UID: true, Counter: true, ASCII: true, MetaRead: 2, FileRead: 1, CounterRead: 1,
			PICCOffset: 0x20, MACFrom: 0x43, MACOffset: 0x43,
		},
	}
	tag := scripted(t, inSession(ti14, enc14, mac14, 1), "", lines)
	if err := tag.ChangeFileSettings(t.Context(), NDEFFile, settings); err != nil || tag.session.counter != 2 {
		t.Errorf("%v, %d commands", err, tag.session.counter)
	}
	lines[1] = "57BFF87B1241E93E 9100"
	tag = scripted(t, inSession(ti14, enc14, mac14, 1), "", lines)
	if err := tag.ChangeFileSettings(t.Context(), NDEFFile, settings); !errors.Is(err, ErrForged) || tag.session != nil {
		t.Errorf("an answer with a wrong MAC: %v", err)
	}
}

// Table 21: another file, ten bytes. Table 24: the plain write of the capability container in a session, counted.
func TestWritesAreThoseOfAN12196Tables21And24(t *testing.T) {
	tag := scripted(t, inSession(ti23, "7A93D6571E4B180FCA6AC90C9A7488D4", "FC4AF159B62E549B5812394CAB1918CC", 0), "",
		[2]string{"908D00001F 030000000A0000 6B5E6804909962FC4E3FF5522CF0F843 6C0C53315B9C73AA 00", "C26D236E4A7C046D 9100"})
	if err := tag.WriteData(t.Context(), 3, Full, 0, unhex("0102030405060708090A")); err != nil {
		t.Error(err)
	}
	tag = scripted(t, inSession(ti23, enc23, mac23, 1), "",
		[2]string{"908D000019 010E0000120000 FF0506E10500808283000000000000000000 00", "9100"})
	err := tag.WriteData(t.Context(), CapabilityFile, Plain, 14, unhex("FF0506E10500808283000000000000000000"))
	if err != nil || tag.session.counter != 2 {
		t.Errorf("%v, %d commands", err, tag.session.counter)
	}
}

func TestChangedKeysAreThoseOfAN12196Tables25And26(t *testing.T) {
	tag := scripted(t, inSession(ti23, enc23, mac23, 2), "",
		[2]string{"90C4000029 02 2CF362B7BF4311FF3BE1DAA295E8C68DE09050560D19B9E16C2393AE9CD1FAC7 5D0CE20BCD1D06E6 00", "203BB55D1089D587 9100"},
		[2]string{"90C4000029 00 C0EB4DEEFEDDF0B513A03A95A75491818580503190D4D05053FF75668A01D6FD A6610234BDED6432 00", "9100"})
	if err := tag.ChangeKey(t.Context(), 2, sun.Key{}, key("F3847D627727ED3BC9C4CC050489B966"), 1); err != nil {
		t.Error(err)
	}
	if err := tag.ChangeKey(t.Context(), 0, sun.Key{}, key("5004BF991F408672B1EF00F08F9E8647"), 1); err != nil {
		t.Error(err)
	}
	if tag.session != nil {
		t.Error("the session outlives its key")
	}
}

func key(digits string) sun.Key { return sun.NewKey([16]byte(unhex(digits))) }

// The note's old key is zero, which does not show that it is mixed in, nor that the checksum is of the new key alone.
func TestKeyDataMixTheOldKeyIn(t *testing.T) {
	data := keyData(key("0102030405060708090A0B0C0D0E0F10"), key("F3847D627727ED3BC9C4CC050489B966"), 7, false)
	if want := unhex("F2867E667221EA33C0CEC7090987B676 07 789DFADC"); !bytes.Equal(data, want) {
		t.Errorf("got %X, want %X", data, want)
	}
}

func TestUIDIsThatOfAN12196Table28(t *testing.T) {
	session := func() *session {
		return inSession("DF055522", "2B4D963C014DC36F24F69A50A394F875", "379D32130CE61705DD5FD8C36B95D764", 0)
	}
	tag := scripted(t, session(), "", [2]string{"9051000008 8E2C155ADDA99BE3 00", "70756055688505B52A5E26E59E329CD6 595F672298EA41B7 9100"})
	if uid, err := tag.CardUID(t.Context()); err != nil || uid.String() != "04958CAA5C5E80" {
		t.Errorf("%s, %v", uid, err)
	}
	tag = scripted(t, session(), "", [2]string{"9051000008 8E2C155ADDA99BE3 00", "71756055688505B52A5E26E59E329CD6 595F672298EA41B7 9100"})
	if _, err := tag.CardUID(t.Context()); !errors.Is(err, ErrForged) {
		t.Errorf("a changed answer: %v", err)
	}
}
