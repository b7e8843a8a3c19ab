package cardtest

import (
	"crypto/rand"

	"tapline/card/sun"
)

// SUN is what an NTAG 424 DNA does to its URL: Secure Unique NFC. It answers no commands. It is for one goroutine at a
// time.
type SUN struct {
	Mode       sun.Mode // AES if it is empty
	UID        sun.UID
	Meta, File sun.Key
	Counter    uint32 // of the taps until now
}

// Tap counts one more tap and returns the message that the card then has in its URL, "e=…&c=…".
func (s *SUN) Tap() string {
	s.Counter++
	mode := s.Mode
	if mode == "" {
		mode = sun.AES
	}
	var random [8]byte
	rand.Read(random[:])
	return sun.Mirror(mode, s.Meta, s.File, s.UID, s.Counter, nil, random)
}
