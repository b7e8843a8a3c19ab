package bench

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"tapline/card/sun"
	"tapline/consent"
	"tapline/keyring"
	"tapline/ledger"
	"tapline/payment"
)

// Town says who lives in a database that is measured. Every name and key in it follows from the seed, so that a database
// can be measured again, and nothing of a million people has to be kept in memory.
type Town struct {
	Seed     []byte `json:"seed"`
	Accounts int    `json:"accounts"` // cards, each with an account and a NTAG 424 DNA of its own
	Payees   int    `json:"payees"`
	Devices  int    `json:"devices"`  // card i is bound to device i modulo this
	PINs     int    `json:"pins"`     // how many of the cards without a passkey have a PIN: the first ones
	Payments int    `json:"payments"` // past ones
}

// maxDevices bounds the keys that are kept in memory, the load generator's and the floor's.
const maxDevices = 20_000

// pin is every card's, where it has one.
const pin consent.PIN = "907412658031"

// digest is 32 bytes that follow from the seed.
func (t Town) digest(what string, i int) []byte {
	mac := hmac.New(sha256.New, t.Seed)
	fmt.Fprintf(mac, "%s/%d", what, i)
	return mac.Sum(nil)
}

// id is an id as random as a real one.
func (t Town) id(what string, i int) string {
	return base64.RawURLEncoding.EncodeToString(t.digest(what, i)[:16])
}

func (t Town) card(i int) payment.CardID      { return payment.CardID("card_" + t.id("card", i)) }
func (t Town) account(i int) ledger.AccountID { return ledger.AccountID("acc_" + t.id("account", i)) }
func (t Town) shop(i int) ledger.AccountID    { return ledger.AccountID("acc_" + t.id("shop", i)) }
func (t Town) handle(i int) payment.Handle {
	return payment.Handle(fmt.Sprintf("payee%d@bench-%x", i, t.Seed[:4]))
}
func (t Town) uid(i int) (u sun.UID) { copy(u[:], t.digest("uid", i)); return u }

// hasPasskey reports whether a card has a passkey: every other one.
func hasPasskey(card int) bool { return card%2 == 1 }

// credential is the id of a card's passkey: random bytes, and the card's number, so that the floor finds its key without a
// database.
func (t Town) credential(card int) []byte {
	return binary.BigEndian.AppendUint64(t.digest("passkey", card)[:16], uint64(card))
}

// cardOf is the card of a credential, -1 if it is none of this town.
func (t Town) cardOf(credential []byte) int {
	if len(credential) != 24 {
		return -1
	}
	card := int(binary.BigEndian.Uint64(credential[16:]))
	if card < 0 || card >= t.Accounts || !hmac.Equal(credential, t.credential(card)) {
		return -1
	}
	return card
}

// key is the P-256 key with a name.
func (t Town) key(what string, i int) *ecdsa.PrivateKey {
	for n := 0; ; n++ {
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), t.digest(fmt.Sprintf("%s/%d", what, n), i))
		if err == nil { // but for one in 2^32
			return key
		}
	}
}

// passkey is the key of the passkeys on a device.
func (t Town) passkey(device int) *ecdsa.PrivateKey { return t.key("passkey", device) }

// deviceKey is the key of a device.
func (t Town) deviceKey(i int) (*consent.DeviceKey, error) {
	der, err := x509.MarshalPKCS8PrivateKey(t.key("device", i))
	if err != nil {
		return nil, err
	}
	return consent.ParseDeviceKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// deviceKeys are the keys of all devices, made on all cores.
func (t Town) deviceKeys() ([]*consent.DeviceKey, error) {
	keys := make([]*consent.DeviceKey, t.Devices)
	err := spread(t.Devices, func(i int) (err error) {
		keys[i], err = t.deviceKey(i)
		return err
	})
	return keys, err
}

// spread does something for each number below n, on all cores. It returns the first error that there was.
func spread(n int, do func(int) error) error {
	var all sync.WaitGroup
	var next atomic.Int64
	var first atomic.Pointer[error]
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && first.Load() == nil; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					first.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	all.Wait()
	if err := first.Load(); err != nil {
		return *err
	}
	return nil
}

// master makes the keys of cards that prove themselves.
type master struct {
	sun.Master
	meta sun.Key
}

func newMaster(keys *keyring.Keyring) master {
	newest := keys.MACs(keyring.SUN, []byte("master"))[0]
	m, err := sun.NewMaster(newest.Version, newest.Sum)
	if err != nil {
		panic(err) // a MAC has 32 bytes
	}
	return master{m, m.Meta()}
}
