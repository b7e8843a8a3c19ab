package consent

import "testing"

func TestAddressesThatMailCanBeSentTo(t *testing.T) {
	for address, want := range map[string]bool{
		"ann@mail.example": true, "a.b+c@sub.mail.example": true, "a@xn--fiqs8s.example": true,
		"": false, "ann": false, "@mail.example": false, "ann@": false, "ann@localhost": false, "a..b@mail.example": false, ".a@mail.example": false,
		"ann@mail.example\r\nBcc: eve@evil.example": false, "ann@mail.example,eve@evil.example": false, "Ann <ann@mail.example>": false,
		"\"a b\"@mail.example": false, "ann@[127.0.0.1]": false, "安@mail.example": false, "ann@mail.example ": false, "ann@-mail.example": false,
		"a2345678901234567890123456789012345678901234567890123456789012345@mail.example": false,
	} {
		if got := CheckEmail(address) == nil; got != want {
			t.Errorf("%q: %v, want %v", address, got, want)
		}
	}
	if got := MaskEmail("ann@mail.example"); got != "a…@mail.example" {
		t.Errorf("masked: %s", got)
	}
}
