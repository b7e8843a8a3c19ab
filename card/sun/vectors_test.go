package sun

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapline/card/cmac"
)

// octets are bytes that a vector gives in hexadecimal digits.
type octets []byte

func (o *octets) UnmarshalText(text []byte) (err error) {
	*o, err = hex.DecodeString(string(text))
	return err
}

// example is one message of testdata/sun.json.
type example struct {
	Name     string  `json:"name"`
	Mode     Mode    `json:"mode"`
	Meta     octets  `json:"meta_key"`
	File     octets  `json:"file_key"`
	PICC     octets  `json:"picc_enc"`
	Enc      octets  `json:"enc"`
	MAC      octets  `json:"mac"`
	MACInput *string `json:"mac_input"`
	UID      octets  `json:"uid"`
	Counter  uint32  `json:"ctr"`
	SesMAC   octets  `json:"ses_mac"`
	SesEnc   octets  `json:"ses_enc"`
	IV       octets  `json:"enc_iv"`
	FullMAC  octets  `json:"full_cmac"`
	Plain    octets  `json:"picc_plain"`
	Data     octets  `json:"file_data"`
	URL      string  `json:"url"`
}

type vectors struct {
	Messages []example `json:"sdm"`
	Negative []struct {
		Of  string `json:"of"`
		MAC octets `json:"mac"`
	} `json:"negative"`
	RFC4493 struct {
		Key   octets `json:"key"`
		Cases []struct {
			Message octets `json:"msg"`
			MAC     octets `json:"mac"`
		} `json:"cases"`
	} `json:"rfc4493"`
	LRPMACs struct {
		Vectors []struct{ Key, Msg, MAC octets } `json:"vectors"`
	} `json:"lrp_cmac"`
	LRPEvals struct {
		Vectors []struct {
			Key      octets
			IV       string
			Finalize string
			Updated  string `json:"UPDATEDKEY"`
			Res      octets
		} `json:"vectors"`
	} `json:"lrp_eval"`
}

func published(t testing.TB) (v vectors) {
	t.Helper()
	text, err := os.ReadFile("testdata/sun.json")
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Messages) < 7 || len(v.Negative) < 2 || len(v.LRPMACs.Vectors) < 12 || len(v.LRPEvals.Vectors) < 12 {
		t.Fatal("testdata/sun.json is not whole")
	}
	return v
}

// message is the example as Parse would return it.
func (x example) message() Message {
	m := Message{Mode: x.Mode, PICC: x.PICC, Enc: x.Enc}
	copy(m.MAC[:], x.MAC)
	if x.PICC == nil {
		m.UID, m.Counter, m.HasCounter = UID(x.UID), x.Counter, true
	}
	if x.MACInput != nil {
		m.MACInput = *x.MACInput
	}
	return m
}

func (x example) meta() (k Key) { copy(k.octets[:], x.Meta); return k }

func (x example) file(UID) (k Key) { copy(k.octets[:], x.File); return k }

func (x example) tap() Tap {
	return Tap{Mode: x.Mode, UID: UID(x.UID), Counter: x.Counter, HasCounter: true, FileData: x.Data}
}

func TestPublishedMessagesAreGenuine(t *testing.T) {
	for _, x := range published(t).Messages {
		if x.MAC == nil {
			continue
		}
		got, err := x.message().Verify(x.meta(), x.file)
		if diff := cmp.Diff(x.tap(), got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", x.Name, err, diff)
		}
	}
}

func TestPublishedIntermediateValuesAreOurs(t *testing.T) {
	for _, x := range published(t).Messages {
		same := func(what string, want octets, got []byte) {
			if want != nil && !strings.EqualFold(hex.EncodeToString(want), hex.EncodeToString(got)) {
				t.Errorf("%s: %s %X, want %X", x.Name, what, got, []byte(want))
			}
		}
		tap, key := x.tap(), x.file(UID{})
		if x.PICC != nil && x.Meta != nil {
			plain := x.message().decryptPICC(x.meta())
			same("PICC data", x.Plain, plain[:])
		}
		if x.Mode == LRP {
			master := sessionMaster(key, tap)
			same("session key", x.SesMAC, master[:])
			continue
		}
		sesMAC, sesEnc := sessionKey(key, sv2, tap), sessionKey(key, sv1, tap)
		full := cmac.AES(sesMAC[:], []byte(x.message().MACInput))
		_, iv := fileCipher(key, tap)
		same("MAC session key", x.SesMAC, sesMAC[:])
		same("encryption session key", x.SesEnc, sesEnc[:])
		same("whole MAC", x.FullMAC, full[:])
		same("IV", x.IV, iv[:])
		if x.Enc != nil {
			_, data := x.message().aes(key, tap)
			same("file data", x.Data, data)
		}
	}
}

func TestPublishedURLsAreParsed(t *testing.T) {
	parsed := 0
	for _, x := range published(t).Messages {
		if x.URL == "" {
			continue
		}
		parsed++
		for _, text := range []string{x.URL, strings.Replace(x.URL, "?", "#", 1), x.URL[strings.Index(x.URL, "?")+1:]} {
			got, err := Format{}.Parse(text)
			if diff := cmp.Diff(x.message(), got, cmp.AllowUnexported(Message{})); err != nil || diff != "" {
				t.Errorf("%s as %q: %v\n%s", x.Name, text, err, diff)
			}
		}
	}
	if parsed == 0 {
		t.Error("no example has a URL")
	}
}

func TestPublishedForgeriesAreRefused(t *testing.T) {
	v := published(t)
	for _, n := range v.Negative {
		for _, x := range v.Messages {
			if x.Name == n.Of {
				m := x.message()
				copy(m.MAC[:], n.MAC)
				if got, err := m.Verify(x.meta(), x.file); !errors.Is(err, ErrNotGenuine) || got.FileData != nil {
					t.Errorf("%s with MAC %X: %v, %v", n.Of, []byte(n.MAC), got, err)
				}
			}
		}
	}
}

func TestAESCMACIsThatOfRFC4493(t *testing.T) {
	v := published(t).RFC4493
	for _, x := range v.Cases {
		if got := cmac.AES(v.Key, x.Message); got != block(x.MAC) {
			t.Errorf("CMAC(%X) = %X, want %X", []byte(x.Message), got, []byte(x.MAC))
		}
	}
}

func TestLRPIsThatOfAN12304(t *testing.T) {
	v := published(t)
	for _, x := range v.LRPMACs.Vectors {
		if got := newLRP(block(x.Key), 0).cmac(x.Msg); got != block(x.MAC) {
			t.Errorf("CMAC_LRP(%X) = %X, want %X", []byte(x.Msg), got, []byte(x.MAC))
		}
	}
	for _, x := range v.LRPEvals.Vectors {
		var path []byte
		for _, digit := range x.IV {
			path = append(path, byte(strings.IndexRune("0123456789ABCDEF", digit)))
		}
		if got := newLRP(block(x.Key), int(x.Updated[0]-'0')).eval(path, x.Finalize == "1"); got != block(x.Res) {
			t.Errorf("eval(%s) = %X, want %X", x.IV, got, []byte(x.Res))
		}
	}
}

// AN10922 §2.2.1 pads to two blocks; for inputs of more than one block that is CMAC itself. This is its own example.
func TestDiversificationIsThatOfAN10922(t *testing.T) {
	master, _ := hex.DecodeString("00112233445566778899AABBCCDDEEFF")
	input, _ := hex.DecodeString("01" + "04782E21801D80" + "3042F5" + "4E585020416275")
	if got, want := upper(first(cmac.AES(master, input))), "A8DD63A3B89D54B37CA802473FDA9175"; got != want {
		t.Errorf("diversified key %s, want %s", got, want)
	}
}

func first(b block) []byte { return b[:] }
