package ntag

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"

	"tapline/card"
	"tapline/card/apdu"
	"tapline/card/cmac"
	"tapline/card/sun"
)

// Mode is how a command travels while the card is authenticated.
type Mode byte

// Modes, as in file settings (data sheet §8.2.3.5).
const (
	Plain Mode = 0 // as it is; the command counter counts it all the same
	MAC   Mode = 1 // with a MAC
	Full  Mode = 3 // encrypted, with a MAC
)

// KeyNumber is the number of one of the five keys.
type KeyNumber byte

// Keys is how many keys a card has.
const Keys = 5

// session is an authentication that both sides know the keys of (data sheet §9.1).
type session struct {
	number      KeyNumber
	encryption  cmac.Block
	mac         cmac.Block
	transaction [4]byte
	counter     uint16 // of commands
}

// command is a native command. The header is never encrypted.
type command struct {
	name        string
	instruction byte
	mode        Mode
	header      []byte
	data        []byte
	bare        bool // the answer has no MAC, and the authentication is over: ChangeKey of the key itself
}

// native sends a native command and returns the data of the answer. While authenticated, a refusal ends that.
func (t *Tag) native(ctx context.Context, c command) ([]byte, error) {
	body := slices.Concat(c.header, c.data)
	if t.session != nil {
		if t.session.counter == 0xFFFF { // data sheet §9.1.2
			return nil, fmt.Errorf("%s: too many commands after one authentication", c.name)
		}
		body = t.session.protect(c)
	}
	if len(body) > apdu.MaxData {
		return nil, fmt.Errorf("%s: %d bytes do not fit in a command", c.name, len(body))
	}
	answer, err := t.frames(ctx, c.name, apdu.Command{Class: classNative, Instruction: c.instruction, Data: body, Le: apdu.AnyLength})
	if err != nil {
		t.session = nil
		return nil, err
	}
	if t.session == nil {
		return answer, nil
	}
	t.session.counter++
	if c.bare {
		t.session = nil
		return answer, nil
	}
	if answer, err = t.session.open(c.mode, answer); err != nil {
		t.session = nil
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	return answer, nil
}

// frames sends a command and fetches its whole answer.
func (t *Tag) frames(ctx context.Context, name string, c apdu.Command) ([]byte, error) {
	var answer []byte
	for range maxFrames {
		response, err := t.exchange(ctx, c)
		if err != nil {
			return nil, err
		}
		answer = append(answer, response.Data...)
		switch response.Status {
		case statusOK:
			return answer, nil
		case statusMore:
			c = apdu.Command{Class: classNative, Instruction: insAdditionalFrame, Le: apdu.AnyLength}
		default:
			return nil, &StatusError{name, response.Status}
		}
	}
	return nil, fmt.Errorf("%w: the answer to %s does not end", card.ErrMalformed, name)
}

// protect is the body of a command in its mode (data sheet §9.1.8 to §9.1.10).
func (s *session) protect(c command) []byte {
	data := c.data
	if c.mode == Full && len(data) > 0 {
		data = pad(data)
		iv := s.iv(0xA5, 0x5A)
		cipher.NewCBCEncrypter(newAES(s.encryption[:]), iv[:]).CryptBlocks(data, data)
	}
	body := slices.Concat(c.header, data)
	if c.mode == Plain {
		return body
	}
	mac := s.sum(c.instruction, body)
	return append(body, mac[:]...)
}

// open checks and decrypts the data of a successful answer. The counter counts the command already.
func (s *session) open(mode Mode, answer []byte) ([]byte, error) {
	if mode == Plain {
		return answer, nil
	}
	const size = cmac.Size / 2
	if len(answer) < size {
		return nil, ErrForged
	}
	data, mac := answer[:len(answer)-size], answer[len(answer)-size:]
	want := s.sum(byte(statusOK&0xFF), data)
	if subtle.ConstantTimeCompare(mac, want[:]) != 1 {
		return nil, ErrForged
	}
	if mode == MAC || len(data) == 0 {
		return data, nil
	}
	if len(data)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("%w: %d encrypted bytes", card.ErrMalformed, len(data))
	}
	iv := s.iv(0x5A, 0xA5)
	cipher.NewCBCDecrypter(newAES(s.encryption[:]), iv[:]).CryptBlocks(data, data)
	return unpad(data)
}

// sum is the MAC of a command, or of an answer with its return code in place of the instruction (data sheet §9.1.9).
func (s *session) sum(code byte, body []byte) [cmac.Size / 2]byte {
	input := binary.LittleEndian.AppendUint16([]byte{code}, s.counter)
	input = append(append(input, s.transaction[:]...), body...)
	return cmac.Truncate(cmac.AES(s.mac[:], input))
}

// iv is the initialization vector at the present counter, with the label of commands or answers (data sheet §9.1.4).
func (s *session) iv(label ...byte) (iv cmac.Block) {
	input := append(label, s.transaction[:]...)
	copy(iv[:], binary.LittleEndian.AppendUint16(input, s.counter))
	newAES(s.encryption[:]).Encrypt(iv[:], iv[:])
	return iv
}

// pad adds 80 and zeros up to whole blocks, always at least the 80 (ISO/IEC 9797-1 method 2).
func pad(data []byte) []byte {
	padded := make([]byte, len(data)/aes.BlockSize*aes.BlockSize+aes.BlockSize)
	padded[copy(padded, data)] = 0x80
	return padded
}

func unpad(data []byte) ([]byte, error) {
	end := len(data) - 1
	for end >= 0 && data[end] == 0 {
		end--
	}
	if end < 0 || data[end] != 0x80 || len(data)-end > aes.BlockSize {
		return nil, fmt.Errorf("%w: an answer's padding is wrong", card.ErrMalformed)
	}
	return data[:end], nil
}

func newAES(key []byte) cipher.Block {
	c, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // all keys here have 16 bytes
	}
	return c
}

// octets are the bytes of a key.
func octets(k sun.Key) (out [16]byte) {
	if _, err := hex.Decode(out[:], []byte(k.Reveal())); err != nil {
		panic(err) // Reveal writes hexadecimal digits
	}
	return out
}

// Authenticate proves the key to the card and the card's key to us, and starts a session (AuthenticateEV2First, data
// sheet §9.1.5). It is ErrWrongKey if the card has another key under the number; each wrong try counts on the card,
// which blocks the key for ever after 1000.
func (t *Tag) Authenticate(ctx context.Context, number KeyNumber, key sun.Key) error {
	t.session = nil
	// No capabilities of ours follow: length 0.
	return t.authenticate(ctx, "AuthenticateEV2First", insAuthenticateFirst, []byte{byte(number), 0x00}, number, key)
}

// AuthenticateAgain authenticates with another key within a session, the counter of which goes on
// (AuthenticateEV2NonFirst, data sheet §9.1.6).
func (t *Tag) AuthenticateAgain(ctx context.Context, number KeyNumber, key sun.Key) error {
	if t.session == nil {
		return fmt.Errorf("%w: there was no first authentication", ErrRefused)
	}
	return t.authenticate(ctx, "AuthenticateEV2NonFirst", insAuthenticateAgain, []byte{byte(number)}, number, key)
}

func (t *Tag) authenticate(ctx context.Context, name string, instruction byte, body []byte, number KeyNumber, key sun.Key) error {
	last := t.session
	t.session = nil
	raw := octets(key)
	c := newAES(raw[:])
	ask := func(instruction byte, body []byte, want apdu.Status, length int) ([]byte, error) {
		response, err := t.exchange(ctx, apdu.Command{Class: classNative, Instruction: instruction, Data: body, Le: apdu.AnyLength})
		switch {
		case err != nil:
			return nil, err
		case response.Status != want:
			return nil, &StatusError{fmt.Sprintf("%s with key %d", name, number), response.Status}
		case len(response.Data) != length:
			return nil, fmt.Errorf("%w: %s: %d bytes", card.ErrMalformed, name, len(response.Data))
		}
		cipher.NewCBCDecrypter(c, make([]byte, aes.BlockSize)).CryptBlocks(response.Data, response.Data)
		return response.Data, nil
	}
	theirs, err := ask(instruction, body, statusMore, 16)
	if err != nil {
		return err
	}
	var ours [16]byte
	t.random(ours[:])
	token := slices.Concat(ours[:], rotate(theirs))
	cipher.NewCBCEncrypter(c, make([]byte, aes.BlockSize)).CryptBlocks(token, token)
	length := 16
	if last == nil {
		length = 32 // with the transaction's identifier and the capabilities of both
	}
	proof, err := ask(insAdditionalFrame, token, statusOK, length)
	if err != nil {
		return err
	}
	next := session{number: number}
	if last == nil {
		copy(next.transaction[:], proof)
		proof = proof[4:20]
	} else {
		next.transaction, next.counter = last.transaction, last.counter
	}
	if subtle.ConstantTimeCompare(proof, rotate(ours[:])) != 1 {
		return fmt.Errorf("%s: %w", name, ErrForged)
	}
	next.derive(raw, ours[:], theirs)
	t.session = &next
	return nil
}

func rotate(block []byte) []byte { return append(slices.Clone(block[1:]), block[0]) }

// derive makes the session keys of both random numbers (data sheet §9.1.7).
func (s *session) derive(key [16]byte, ours, theirs []byte) {
	mixed := make([]byte, 6)
	subtle.XORBytes(mixed, ours[2:8], theirs[:6])
	context := slices.Concat([]byte{0x00, 0x01, 0x00, 0x80}, ours[:2], mixed, theirs[6:], ours[8:])
	s.encryption = cmac.AES(key[:], append([]byte{0xA5, 0x5A}, context...))
	s.mac = cmac.AES(key[:], append([]byte{0x5A, 0xA5}, context...))
}
