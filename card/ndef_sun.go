package card

import "strings"

// looksSigned reports whether an address has, in its query or fragment, a MAC and a UID under the names that Tapline or
// NXP's examples use (see package sun, which judges it).
func looksSigned(address string) bool {
	var code, identity bool
	for name, value := range parameters(address) {
		switch name {
		case "c", "cmac":
			code = code || len(value) == 16 && isHex(value)
		case "e", "picc_data":
			identity = identity || (len(value) == 32 || len(value) == 48) && isHex(value)
		case "u", "uid":
			identity = identity || len(value) == 14 && isHex(value)
		}
	}
	return code && identity
}

// parameters yields name=value pairs behind the path.
func parameters(address string) func(yield func(name, value string) bool) {
	return func(yield func(string, string) bool) {
		i := strings.IndexAny(address, "?#")
		if i < 0 {
			return
		}
		for _, pair := range strings.FieldsFunc(address[i:], func(r rune) bool { return strings.ContainsRune("?#&", r) }) {
			if name, value, ok := strings.Cut(pair, "="); ok && !yield(name, value) {
				return
			}
		}
	}
}

// hasLongHex reports whether a text has at least 16 hexadecimal digits in a row, as a MAC or a key has.
func hasLongHex(text string) bool {
	run := 0
	for i := range len(text) {
		if run++; !isHexDigit(text[i]) {
			run = 0
		}
		if run == 16 {
			return true
		}
	}
	return false
}

func isHex(text string) bool {
	for i := range len(text) {
		if !isHexDigit(text[i]) {
			return false
		}
	}
	return true
}

func isHexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
