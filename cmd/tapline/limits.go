package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"tapline/httpapi"
	"tapline/ledger"
	"tapline/money"
	"tapline/processor"
)

// limitOptions are how often devices and addresses may ask.
type limitOptions struct {
	RateLimits       bool     `negatable:"" help:"Limit how often devices and addresses may ask for some things." default:"true" env:"TAPLINE_RATE_LIMITS"`
	LookupLimit      rates    `help:"Payees that one device may look up a minute, and all devices of one address; a miss counts five times, 0 is any number (${default})." default:"30,120" env:"TAPLINE_LOOKUP_LIMIT" placeholder:"DEVICE,ADDRESS"`
	DeviceLimit      int      `help:"Devices that may be registered a minute from one address; 0 is any number." default:"30" env:"TAPLINE_DEVICE_LIMIT"`
	InstructionLimit rates    `help:"Instructions that one device may send a minute, and all devices of one address; 0 is any number (${default})." default:"60,600" env:"TAPLINE_INSTRUCTION_LIMIT" placeholder:"DEVICE,ADDRESS"`
	InFlight         int      `help:"Requests that are worked on at once; more wait for half a second, and then are told to come again." default:"512" env:"TAPLINE_IN_FLIGHT"`
	Connections      int      `help:"Connections from clients at once; further ones are closed; 0 is any number." default:"10000" env:"TAPLINE_CONNECTIONS"`
	TemplateLimit    rates    `help:"Order templates that one device may open or order from a minute, and all devices of one address; 0 is any number (${default})." default:"30,300" env:"TAPLINE_TEMPLATE_LIMIT" placeholder:"DEVICE,ADDRESS"`
	TrustedProxy     []string `help:"Address or network of a proxy whose X-Forwarded-For tells who asks. May be given again." env:"TAPLINE_TRUSTED_PROXY" placeholder:"ADDRESS"`
}

// rates are two numbers a minute: of a device, and of an address.
type rates httpapi.Rates

// UnmarshalText reads two numbers with a comma between them.
func (r *rates) UnmarshalText(text []byte) error {
	device, address, ok := strings.Cut(string(text), ",")
	one, err := strconv.ParseUint(device, 10, 31)
	all, allErr := strconv.ParseUint(address, 10, 31)
	if !ok || err != nil || allErr != nil {
		return fmt.Errorf("want two numbers a minute, such as 30,120")
	}
	*r = rates{httpapi.Rate(one), httpapi.Rate(all)}
	return nil
}

// proxies are the networks of the trusted proxies.
func (o *limitOptions) proxies() (networks []netip.Prefix, err error) {
	for _, text := range o.TrustedProxy {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			address, addressErr := netip.ParseAddr(text)
			if addressErr != nil {
				return nil, &usageError{"--trusted-proxy " + text + ": want an address or a network", "such as 127.0.0.1 or 10.1.2.0/24"}
			}
			network = netip.PrefixFrom(address, address.BitLen())
		}
		if network.Bits() == 0 {
			return nil, &usageError{"--trusted-proxy " + text + " would believe everybody", "name the proxy's own address"}
		}
		networks = append(networks, network.Masked())
	}
	return networks, nil
}

// spending are limits of payments.
type spending ledger.Limits

// UnmarshalText reads limits with commas between them.
func (s *spending) UnmarshalText(text []byte) error {
	*s = spending{}
	fields := map[string]*int64{
		"payment": &s.Payment, "day-count": &s.DayCount, "day-sum": &s.DaySum, "month-count": &s.MonthCount, "month-sum": &s.MonthSum,
	}
	for _, part := range strings.Split(string(text), ",") {
		name, number, _ := strings.Cut(part, "=")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || fields[name] == nil || n < 0 || n > money.MaxMinor {
			return fmt.Errorf("want limits such as payment=50000,day-sum=100000,day-count=20,month-sum=1000000,month-count=100")
		}
		*fields[name] = n
	}
	return nil
}

// spending are the operator's limits for all cards and payees.
func (o *serviceOptions) spending() processor.Limits {
	return processor.Limits{Cards: ledger.Limits(o.CardLimits), Payees: ledger.Limits(o.PayeeLimits)}
}

func (o *limitOptions) check() error {
	if o.DeviceLimit < 0 {
		return &usageError{"--device-limit: want at least 0", "0 is any number"}
	}
	if o.InFlight < 0 || o.InFlight > maxInFlight {
		return &usageError{fmt.Sprintf("--in-flight: want 1 to %d", maxInFlight), "more at once would only wait for each other"}
	}
	if o.Connections < 0 {
		return &usageError{"--connections: want at least 0", "0 is any number"}
	}
	_, err := o.proxies()
	return err
}

// maxInFlight leaves room in the queue of the processor.
const maxInFlight = processor.QueueLength / 2

// limits are what the service keeps. None where nothing was set, as in a demo.
func (o *limitOptions) limits() httpapi.Limits {
	proxies, _ := o.proxies() // they were checked
	if !o.RateLimits {
		return httpapi.Limits{Proxies: proxies}
	}
	return httpapi.Limits{
		Lookups: httpapi.Rates(o.LookupLimit), Devices: httpapi.Rates{Address: httpapi.Rate(o.DeviceLimit)},
		Instructions: httpapi.Rates(o.InstructionLimit), Templates: httpapi.Rates(o.TemplateLimit), Proxies: proxies,
	}
}
