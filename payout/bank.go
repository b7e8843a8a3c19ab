package payout

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// BankAccount is where money is paid out to. It has either an IBAN or another number. The zero value is none.
type BankAccount struct {
	Name string `json:"name" minLength:"1" maxLength:"70" doc:"Whose account it is, as the bank knows it."`
	IBAN string `json:"iban,omitempty" maxLength:"42" doc:"ISO 13616; either this or other."`
	BIC  string `json:"bic,omitempty" maxLength:"11" doc:"ISO 9362, of the bank; may be left out with an IBAN."`

	Other string `json:"other,omitempty" maxLength:"34" doc:"The number of an account without IBAN."`
	Cash  bool   `json:"cash,omitempty" doc:"Handed over to the person who is named, of a closed account; it is in no file."`
}

// Errors of bank accounts. None repeats what was given.
var (
	ErrBankAccount = errors.New("not a bank account")
	ErrIBAN        = fmt.Errorf("%w: the IBAN is mistyped", ErrBankAccount)
)

const (
	capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits   = "0123456789"
)

// only reports whether a text has no other characters than these.
func only(text, these string) bool { return strings.Trim(text, these) == "" }

// validBIC has the form of ISO 20022's type BICFIDec2014Identifier.
func validBIC(bic string) bool {
	return (len(bic) == 8 || len(bic) == 11) && only(bic[:4]+bic[6:], capitals+digits) && only(bic[4:6], capitals)
}

// validOther fits ISO 20022's type Max34Text, in letters, digits and what banks write between them.
func validOther(number string) bool {
	letters := capitals + strings.ToLower(capitals) + digits
	return len(number) >= 4 && len(number) <= 34 && only(number[:1], letters) && only(number, letters+" ./-")
}

// Clean returns the account as it is kept, with spaces and small letters of IBAN and BIC mended; ErrBankAccount, or ErrIBAN, if it
// cannot be one. The name has to be clean text already.
func (b BankAccount) Clean() (BankAccount, error) {
	b.IBAN = strings.ToUpper(strings.ReplaceAll(b.IBAN, " ", ""))
	b.BIC = strings.ToUpper(strings.ReplaceAll(b.BIC, " ", ""))
	b.Other = strings.TrimSpace(b.Other)
	switch {
	case b.Name == "" || utf8.RuneCountInString(b.Name) > 70:
		return b, fmt.Errorf("%w: it needs a name of 70 characters at most", ErrBankAccount)
	case b.Cash && b.IBAN+b.BIC+b.Other != "":
		return b, fmt.Errorf("%w: cash goes to no account", ErrBankAccount)
	case b.Cash:
		return b, nil
	case (b.IBAN == "") == (b.Other == ""):
		return b, fmt.Errorf("%w: it needs either an IBAN or another number", ErrBankAccount)
	case b.IBAN != "" && !ValidIBAN(b.IBAN):
		return b, ErrIBAN
	case b.Other != "" && !validOther(b.Other):
		return b, fmt.Errorf("%w: the number is not one of 4 to 34 letters and digits", ErrBankAccount)
	case b.BIC != "" && !validBIC(b.BIC):
		return b, fmt.Errorf("%w: the BIC is mistyped", ErrBankAccount)
	}
	return b, nil
}

// ValidIBAN reports whether an IBAN without spaces has the right form (ISO 20022's IBAN2007Identifier; the shortest has 15) and check
// digits (ISO 13616-1 §5, ISO/IEC 7064 MOD 97-10).
func ValidIBAN(iban string) bool {
	if len(iban) < 15 || len(iban) > 34 || !only(iban[:2], capitals) || !only(iban[2:4], digits) || !only(iban[4:], capitals+digits) {
		return false
	}
	if check := iban[2:4]; check < "02" || check > "98" {
		return false // 00, 01 and 99 fit the sum, and are not given out
	}
	rest := 0
	for _, c := range iban[4:] + iban[:4] {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	return rest == 1
}

// Masked shows no more of the account's number than its last four characters.
func (b BankAccount) Masked() BankAccount {
	mask := func(s string) string {
		if s == "" {
			return ""
		}
		return "…" + s[max(0, len(s)-4):]
	}
	b.IBAN, b.Other = mask(b.IBAN), mask(b.Other)
	return b
}
