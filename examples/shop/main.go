// Command shop is a shop that sells one book, and is paid by tapline: a start for a shop of your own.
//
//	TAPLINE_API_KEY=tapline_test_… go run ./examples/shop --tapline http://127.0.0.1:8480
//
// It makes an order for each sale, sends the buyer to the order's page, and hands over the book when tapline says that the
// order is paid. What the buyer's browser says is not asked. See docs/quickstart.md.
package main

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"sync"
	"time"

	"tapline/api"
	"tapline/money"
	"tapline/order"
	"tapline/payee"
)

// price is decided here, never by the browser.
var price = money.Amount{Minor: 12_50, Currency: "CNY"}

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// shop remembers which order was made for which sale; a real one would keep that in its database.
type shop struct {
	tapline *payee.Client
	origin  string // of the shop's own pages

	mu     sync.Mutex
	orders map[string]string // id of the order by sale
}

// sales are named by random text that the shop itself has made.
var saleForm = regexp.MustCompile(`^[A-Z2-7]{26}$`)

func main() {
	listen := flag.String("listen", "127.0.0.1:8090", "where to listen: on this machine only, there is no TLS")
	service := flag.String("tapline", "http://127.0.0.1:8480", "origin of the tapline service")
	flag.Parse()
	if err := run(*listen, *service, os.Getenv("TAPLINE_API_KEY")); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func run(listen, service, key string) error {
	if key == "" {
		return errors.New(`there is no API key; hint: put what "tapline payee add" printed into TAPLINE_API_KEY`)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	s := &shop{tapline: &payee.Client{URL: service, APIKey: key}, origin: "http://" + listen, orders: map[string]string{}}
	// The key and the address are tried before anybody wants to buy.
	if _, err := s.tapline.Orders(ctx, payee.Query{Limit: 1}); err != nil {
		return fmt.Errorf("asking %s: %w", service, err)
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close() // a shop in memory has nothing to finish
	}()
	fmt.Println("the shop is open at", s.origin)
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *shop) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.book)
	mux.HandleFunc("POST /buy", s.buy)
	mux.HandleFunc("GET /sales/{sale}", s.sale)
	return http.NewCrossOriginProtection().Handler(mux)
}

// view is what the page shows.
type view struct {
	Price money.Amount
	Sale  string          // a new one, to buy
	Order *api.PayeeOrder // of a sale
}

func show(w http.ResponseWriter, v view) {
	v.Price = price
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	w.Header().Set("Cache-Control", "no-store")
	if err := page.Execute(w, v); err != nil {
		log.Print("page: ", err)
	}
}

func (s *shop) book(w http.ResponseWriter, _ *http.Request) { show(w, view{Sale: rand.Text()}) }

// buy makes the order of a sale, and sends the buyer to where it is paid. The sale is the idempotency key: who presses twice, or
// whose connection breaks, still has one order.
func (s *shop) buy(w http.ResponseWriter, r *http.Request) {
	sale := r.PostFormValue("sale")
	if !saleForm.MatchString(sale) {
		http.Error(w, "go back, load the page again, and press the button", http.StatusBadRequest)
		return
	}
	o, err := s.tapline.MakeOrder(payee.WithIdempotencyKey(r.Context(), sale), api.NewOrder{
		Amount: price, Reference: sale[:8], Description: "The Book of Small Change",
		Lines:      []order.Line{{Description: "The Book of Small Change", Quantity: 1, Amount: price.Minor}},
		ExpiresIn:  3600,
		SuccessURL: s.origin + "/sales/" + sale, CancelURL: s.origin + "/sales/" + sale,
	})
	if err != nil {
		log.Print("making an order: ", err)
		http.Error(w, "the shop cannot take payments at the moment; nothing was charged", http.StatusBadGateway)
		return
	}
	s.mu.Lock()
	s.orders[sale] = o.ID
	s.mu.Unlock()
	http.Redirect(w, r, o.URL, http.StatusSeeOther)
}

// sale is where the buyer comes back to. Anybody can type its address: only tapline knows whether it was paid.
func (s *shop) sale(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	id, ok := s.orders[r.PathValue("sale")]
	s.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	o, err := s.tapline.Order(r.Context(), id)
	if err != nil {
		log.Print("asking for an order: ", err)
		http.Error(w, "the shop cannot say whether it was paid; load this page again in a moment", http.StatusBadGateway)
		return
	}
	show(w, view{Order: &o})
}
