// SPDX-License-Identifier: Apache-2.0
//
// vCenter's simulator (govmomi's), behind a front that counts calls and breaks
// answers, for tests of sluice-context.
//
// Listens on loopback with TLS; the certificate goes to the file of -ca.  Says
// "ready HOST:PORT" once it listens.  Then it does what standard input says, a
// command in a line, and answers each with a line, "ok", "ok VALUE" or
// "error TEXT".  It ends when standard input does.
//
//	add NAME          clones a VM
//	remove NAME       removes a VM whose power is off; that must have been
//	                  seen, for the simulator dies of a change of a VM that is
//	                  gone
//	rename NAME NEW   renames it
//	move NAME HOST    moves it to another host
//	power NAME off|on
//	field NAME KEY VALUE  sets a custom attribute
//	tag NAME CATEGORY TAG  tags it, "_" standing for blanks; untag is the
//	                  contrary
//	bios NAME UUID    gives it a BIOS UUID
//	mac NAME MAC      gives it a MAC address, as a reconfiguration
//	load NAME MHZ     sets what it uses of the CPU
//	say NAME HEX      renames it to any bytes, unchecked
//	loop              makes two folders contain each other
//	lose              ends all sessions but its own
//	echo HOW          answers each login with a fault that says the password:
//	                  in its text, its name or, as bad XML, in a tag
//	delay METHOD MS   answers METHOD later
//	status N CODE     answers the next N calls with a HTTP status
//	fail METHOD CODE  answers METHOD with a HTTP status from then on
//	break N HOW       breaks the next N answers to WaitForUpdatesEx that say
//	                  something: cut, text, entity, deep, long, huge, empty
//	flood             answers WaitForUpdatesEx at once, with nothing new
//	calls METHOD      says how often METHOD was called
//	show NAME         says UUIDs, MACs and host
//	page N            gives N objects in an answer at most from then on, as
//	                  vCenter does and the simulator does not
//	capture DIR       writes each answer into DIR from then on
//	reset             undoes delay, echo, status, fail, break, flood, page and
//	                  capture
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vapi/rest"
	_ "github.com/vmware/govmomi/vapi/simulator"
	"github.com/vmware/govmomi/vapi/tags"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// front is what the client under test talks to.
type front struct {
	service  *simulator.Service
	user     string
	password string

	mu       sync.Mutex
	calls    map[string]int
	delays   map[string]time.Duration
	sessions []string
	status   int
	nStatus  int
	failing  map[string]int
	echo     string
	flood    bool
	how      string
	nBreak   int
	page     int
	pages    map[string][][]byte // By the method that asks for more.
	capture  string
	nCapture int
}

var methodPattern = regexp.MustCompile(`Body>\s*<(\w+)`)

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	method := "?"
	if m := methodPattern.FindSubmatch(body); m != nil {
		method = string(m[1])
	}
	isRest := strings.HasPrefix(r.URL.Path, rest.Path+"/")
	if isRest {
		// "session", "tag", "category", "tag-association".
		method = strings.Split(strings.TrimPrefix(strings.TrimPrefix(
			r.URL.Path, rest.Path+"/com/vmware/cis/"), "tagging/"), "/")[0]
	}

	f.mu.Lock()
	f.calls[method]++
	delay := f.delays[method]
	echo := f.echo
	flood := f.flood
	status := f.failing[method]
	if f.nStatus > 0 {
		f.nStatus--
		status = f.status
	}
	f.mu.Unlock()

	time.Sleep(delay)
	if method == "Login" && echo != "" {
		answerLogin(w, body, echo)
		return
	}
	if method == "WaitForUpdatesEx" && flood {
		fmt.Fprint(w, `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/`+
			`envelope/"><e:Body><r><returnval><version>1</version></returnval>`+
			`</r></e:Body></e:Envelope>`)
		return
	}
	if page := f.nextPage(method); page != nil {
		_, _ = w.Write(page)
		return
	}
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if isRest {
		if user, password, ok := r.BasicAuth(); ok &&
			(user != f.user || password != f.password) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		f.service.ServeMux.ServeHTTP(w, r)
		return
	}
	recorder := httptest.NewRecorder()
	f.service.ServeSDK(recorder, r)
	f.answer(w, method, recorder)
}

func (f *front) answer(w http.ResponseWriter, method string,
	recorder *httptest.ResponseRecorder) {
	answer := recorder.Body.Bytes()
	result := recorder.Result()

	f.mu.Lock()
	for _, c := range result.Cookies() {
		if c.Name == soap.SessionCookieName {
			f.sessions = append(f.sessions, c.Value)
		}
	}
	how := ""
	if method == "WaitForUpdatesEx" && f.nBreak > 0 &&
		bytes.Contains(answer, []byte("<objectSet>")) {
		f.nBreak--
		how = f.how
	}
	if f.capture != "" {
		f.nCapture++
		name := fmt.Sprintf("%s-%d", method, f.nCapture)
		_ = os.WriteFile(filepath.Join(f.capture, name), answer, 0o666)
	}
	if f.page > 0 {
		answer = f.split(method, answer)
	}
	f.mu.Unlock()

	for k, v := range recorder.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(recorder.Code)
	breakAnswer(w, answer, how)
}

// How an answer says that there is more of it, and who asks for that.
var paging = map[string]struct {
	items  *regexp.Regexp
	more   string
	before *regexp.Regexp
	next   string
}{
	"WaitForUpdatesEx": {
		regexp.MustCompile(`(?s)<objectSet>.*?</objectSet>`),
		"<truncated>true</truncated>",
		regexp.MustCompile(`</returnval>`),
		"WaitForUpdatesEx",
	},
	"RetrievePropertiesEx": {
		regexp.MustCompile(`(?s)<objects>.*?</objects>`),
		"<token>more</token>",
		regexp.MustCompile(`<objects>`),
		"ContinueRetrievePropertiesEx",
	},
}

// split returns the first page of an answer, and keeps the others.
func (f *front) split(method string, answer []byte) []byte {
	how, ok := paging[method]
	if !ok {
		return answer
	}
	items := how.items.FindAllIndex(answer, -1)
	if len(items) <= f.page {
		return answer
	}
	head, tail := answer[:items[0][0]], answer[items[len(items)-1][1]:]
	var pages [][]byte
	for i := 0; i < len(items); i += f.page {
		end := i + f.page
		if end > len(items) {
			end = len(items)
		}
		page := bytes.Join([][]byte{head,
			answer[items[i][0]:items[end-1][1]], tail}, nil)
		if end < len(items) {
			at := how.before.FindIndex(page)[0]
			page = bytes.Join([][]byte{page[:at], []byte(how.more),
				page[at:]}, nil)
		}
		page = bytes.ReplaceAll(page, []byte(method+"Response"),
			[]byte(how.next+"Response"))
		pages = append(pages, page)
	}
	f.pages[how.next] = pages[1:]
	return pages[0]
}

// nextPage returns what 'method' asks for if that is a page, or null.
func (f *front) nextPage(method string) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.pages[method]) == 0 {
		return nil
	}
	page := f.pages[method][0]
	f.pages[method] = f.pages[method][1:]
	return page
}

var passwordPattern = regexp.MustCompile(`<password>(.*)</password>`)

// answerLogin refuses a login with a fault that says the password.
func answerLogin(w http.ResponseWriter, body []byte, how string) {
	text, name, extra := "no", "InvalidLogin", ""
	password := string(passwordPattern.FindSubmatch(body)[1])
	switch how {
	case "text":
		text = password
	case "name":
		name = password
	case "tag":
		extra = "<" + password + "></x>"
	}
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprintf(w, `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/`+
		`envelope/" xmlns:i="http://www.w3.org/2001/XMLSchema-instance">`+
		`<e:Body>%s<e:Fault><faultcode>c</faultcode><faultstring>%s`+
		`</faultstring><detail><f i:type="%s"/></detail></e:Fault></e:Body>`+
		`</e:Envelope>`, extra, text, name)
}

// breakAnswer writes the answer, broken as 'how' says.
func breakAnswer(w http.ResponseWriter, answer []byte, how string) {
	half := len(answer) / 2
	switch how {
	case "cut":
		_, _ = w.Write(answer[:half])
		// Of a connection that ends without a byte a client may try
		// another.
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	case "text":
		fmt.Fprint(w, "<html>it is all over\x01\x1b[31m</p>")
	case "entity":
		fmt.Fprint(w, `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a `+
			`SYSTEM "file:///etc/passwd">]><x>&a;</x>`)
	case "deep":
		fmt.Fprint(w, strings.Repeat("<a>", 100000))
	case "long":
		_, _ = w.Write(answer[:half])
		_, _ = w.Write(bytes.Repeat([]byte("x"), 40<<20))
	case "huge":
		item := append(bytes.Repeat([]byte(" "), 1<<16), '\n')
		_, _ = w.Write(answer[:bytes.Index(answer, []byte("Body>"))+5])
		for i := 0; i < 500<<20; i += len(item) {
			if _, err := w.Write(item); err != nil {
				panic(http.ErrAbortHandler)
			}
		}
	case "empty":
	default:
		_, _ = w.Write(answer)
	}
}

// control does what standard input says.
type control struct {
	tags   *tags.Manager
	front  *front
	client *govmomi.Client
	finder *find.Finder
}

func (c *control) vm(ctx context.Context, name string) (
	*object.VirtualMachine, error) {
	return c.finder.VirtualMachine(ctx, name)
}

func (c *control) entity(ctx context.Context, name string) (
	*simulator.VirtualMachine, error) {
	vm, err := c.vm(ctx, name)
	if err != nil {
		return nil, err
	}
	return simulator.Map.Get(vm.Reference()).(*simulator.VirtualMachine), nil
}

func (c *control) change(ctx context.Context, name, property string,
	value interface{}) error {
	vm, err := c.entity(ctx, name)
	if err != nil {
		return err
	}
	simulator.Map.Update(vm,
		[]types.PropertyChange{{Name: property, Val: value}})
	return nil
}

func wait(ctx context.Context, task *object.Task, err error) error {
	if err != nil {
		return err
	}
	return task.Wait(ctx)
}

// add clones a VM; uuid is the instance UUID of the new one, or nothing.
func (c *control) add(ctx context.Context, name string, uuid ...string) error {
	template, err := c.finder.VirtualMachineList(ctx, "*")
	if err != nil {
		return err
	}
	folder, err := c.finder.DefaultFolder(ctx)
	if err != nil {
		return err
	}
	task, err := template[0].Clone(ctx, folder, name,
		types.VirtualMachineCloneSpec{
			Config: &types.VirtualMachineConfigSpec{
				InstanceUuid: strings.Join(uuid, ""),
			}})
	return wait(ctx, task, err)
}

func (c *control) field(ctx context.Context, name, key, value string) error {
	vm, err := c.vm(ctx, name)
	if err != nil {
		return err
	}
	manager, err := object.GetCustomFieldsManager(c.client.Client)
	if err != nil {
		return err
	}
	id, err := manager.FindKey(ctx, key)
	if err != nil {
		def, err := manager.Add(ctx, key, "VirtualMachine", nil, nil)
		if err != nil {
			return err
		}
		id = def.Key
	}
	return manager.Set(ctx, vm.Reference(), id, value)
}

// tag has a VM get a tag, or lose it.
func (c *control) tag(ctx context.Context, verb, name, category,
	tag string) error {
	vm, err := c.vm(ctx, name)
	if err != nil {
		return err
	}
	category = strings.ReplaceAll(category, "_", " ")
	tag = strings.ReplaceAll(tag, "_", " ")
	id := ""
	if known, err := c.tags.GetCategory(ctx, category); err == nil {
		id = known.ID
	} else if id, err = c.tags.CreateCategory(ctx, &tags.Category{
		Name: category, Cardinality: "MULTIPLE"}); err != nil {
		return err
	}
	tagID := ""
	if known, err := c.tags.GetTagForCategory(ctx, tag, id); err == nil {
		tagID = known.ID
	} else if tagID, err = c.tags.CreateTag(ctx, &tags.Tag{Name: tag,
		CategoryID: id}); err != nil {
		return err
	}
	if verb == "untag" {
		return c.tags.DetachTag(ctx, tagID, vm.Reference())
	}
	return c.tags.AttachTag(ctx, tagID, vm.Reference())
}

func (c *control) show(ctx context.Context, name string) (string, error) {
	vm, err := c.entity(ctx, name)
	if err != nil {
		return "", err
	}
	macs := ""
	for _, d := range vm.Config.Hardware.Device {
		if n, ok := d.(types.BaseVirtualEthernetCard); ok {
			macs += " " + n.GetVirtualEthernetCard().MacAddress
		}
	}
	host := simulator.Map.Get(*vm.Runtime.Host).(*simulator.HostSystem)
	return fmt.Sprintf("%s %s %s%s", vm.Config.InstanceUuid, vm.Config.Uuid,
		host.Name, macs), nil
}

func (c *control) loop() {
	var folders []*simulator.Folder
	for _, e := range simulator.Map.All("Folder") {
		if f, ok := e.(*simulator.Folder); ok && f.Name == "vm" {
			folders = append(folders, f)
		}
	}
	for _, f := range folders {
		self := f.Reference()
		simulator.Map.Update(f, []types.PropertyChange{
			{Name: "parent", Val: &self}})
	}
}

func (c *control) lose(ctx context.Context) error {
	c.front.mu.Lock()
	ids := c.front.sessions
	c.front.sessions = nil
	c.front.mu.Unlock()
	manager := session.NewManager(c.client.Client)
	for _, id := range ids {
		// Some are gone already.
		_ = manager.TerminateSession(ctx, []string{id})
	}
	return nil
}

func (c *control) power(ctx context.Context, name, state string) error {
	vm, err := c.vm(ctx, name)
	if err != nil {
		return err
	}
	if state == "on" {
		task, err := vm.PowerOn(ctx)
		return wait(ctx, task, err)
	}
	task, err := vm.PowerOff(ctx)
	return wait(ctx, task, err)
}

func (c *control) move(ctx context.Context, name, where string) error {
	host, err := c.finder.HostSystem(ctx, where)
	if err != nil {
		return err
	}
	ref := host.Reference()
	return c.change(ctx, name, "runtime.host", &ref)
}

var errUsage = errors.New("no such command, or too few words")

func (c *control) run(ctx context.Context, words []string) (string, error) {
	f := c.front
	need := map[string]int{"add": 2, "remove": 2, "rename": 3, "move": 3,
		"power": 3, "field": 4, "tag": 4, "untag": 4, "bios": 3, "mac": 3, "load": 3, "say": 3, "loop": 1,
		"lose": 1, "delay": 3, "status": 3, "break": 3, "calls": 2, "page": 2,
		"show": 2, "capture": 2, "echo": 2, "flood": 1, "fail": 3,
		"reset": 1}
	if len(words) == 0 || need[words[0]] == 0 || len(words) < need[words[0]] {
		return "", errUsage
	}

	switch words[0] {
	case "add":
		return "", c.add(ctx, words[1], words[2:]...)
	case "remove":
		vm, err := c.vm(ctx, words[1])
		if err != nil {
			return "", err
		}
		task, err := vm.Destroy(ctx)
		return "", wait(ctx, task, err)
	case "rename":
		vm, err := c.vm(ctx, words[1])
		if err != nil {
			return "", err
		}
		task, err := vm.Rename(ctx, words[2])
		return "", wait(ctx, task, err)
	case "move":
		return "", c.move(ctx, words[1], words[2])
	case "power":
		return "", c.power(ctx, words[1], words[2])
	case "field":
		return "", c.field(ctx, words[1], words[2],
			strings.Join(words[3:], " "))
	case "tag", "untag":
		return "", c.tag(ctx, words[0], words[1], words[2], words[3])
	case "bios":
		return "", c.change(ctx, words[1], "config.uuid", words[2])
	case "mac":
		vm, err := c.entity(ctx, words[1])
		if err != nil {
			return "", err
		}
		setMAC(vm, words[2])
		return "", c.change(ctx, words[1], "config.changeVersion",
			words[2])
	case "load":
		mhz, err := strconv.Atoi(words[2])
		if err != nil {
			return "", err
		}
		vm, err := c.entity(ctx, words[1])
		if err == nil {
			vm.Runtime.MaxCpuUsage = 2000
			vm.Summary.QuickStats.OverallCpuUsage = int32(mhz)
			vm.Summary.QuickStats.GuestMemoryUsage =
				vm.Config.Hardware.MemoryMB / 4
		}
		return "", err
	case "say":
		name, err := hex.DecodeString(words[2])
		if err != nil {
			return "", err
		}
		return "", c.change(ctx, words[1], "name", string(name))
	case "loop":
		c.loop()
		return "", nil
	case "lose":
		return "", c.lose(ctx)
	case "show":
		return c.show(ctx, words[1])
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	switch words[0] {
	case "calls":
		return strconv.Itoa(f.calls[words[1]]), nil
	case "page":
		f.page, _ = strconv.Atoi(words[1])
	case "capture":
		f.capture = words[1]
	case "delay":
		ms, err := strconv.Atoi(words[2])
		f.delays[words[1]] = time.Duration(ms) * time.Millisecond
		return "", err
	case "flood":
		f.flood = true
	case "echo":
		f.echo = words[1]
	case "status":
		f.nStatus, _ = strconv.Atoi(words[1])
		f.status, _ = strconv.Atoi(words[2])
	case "fail":
		code, err := strconv.Atoi(words[2])
		f.failing[words[1]] = code
		return "", err
	case "break":
		f.nBreak, _ = strconv.Atoi(words[1])
		f.how = words[2]
	case "reset":
		f.delays = make(map[string]time.Duration)
		f.failing = make(map[string]int)
		f.nStatus, f.nBreak, f.page = 0, 0, 0
		f.echo, f.flood, f.capture = "", false, ""
	}
	return "", nil
}

// certificate makes a certificate for loopback, and writes it to 'path'.
func certificate(path string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "vcsim"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature |
			x509.KeyUsageCertSign,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template,
		&key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		os.WriteFile(path, text, 0o666)
}

// mac is the address of the VM that is number n.
func mac(n int) string {
	return fmt.Sprintf("00:50:56:%02x:%02x:%02x", n>>16&0x3f, n>>8&0xff,
		n&0xff)
}

// distinctMACs gives each VM a MAC address of its own: the simulator's VMs
// have one device in common.
func distinctMACs() {
	for i, e := range simulator.Map.All("VirtualMachine") {
		setMAC(e.(*simulator.VirtualMachine), mac(i))
	}
}

func setMAC(vm *simulator.VirtualMachine, address string) {
	devices := append(object.VirtualDeviceList(nil),
		vm.Config.Hardware.Device...)
	for i, d := range devices {
		if n, ok := d.(*types.VirtualE1000); ok {
			card := *n
			card.MacAddress = address
			devices[i] = &card
		}
	}
	vm.Config.Hardware.Device = devices
}

func check(err error) {
	if err != nil {
		fmt.Printf("error %s\n", err)
		os.Exit(1)
	}
}

func main() {
	ca := flag.String("ca", "ca.pem", "file to write the certificate to")
	nVMs := flag.Int("vms", 4, "virtual machines")
	nHosts := flag.Int("hosts", 3, "hosts")
	user := flag.String("user", "reader", "who may log in")
	password := flag.String("password", "pass<&>word", "with what")
	flag.Parse()
	log.SetOutput(io.Discard)

	ctx := context.Background()
	model := simulator.VPX()
	model.ClusterHost = *nHosts
	model.Host = 0
	model.Machine = *nVMs
	model.Portgroup = 0
	check(model.Create())
	defer model.Remove()
	model.Service.RegisterEndpoints = true
	server := model.Service.NewServer()
	defer server.Close()

	client, err := govmomi.NewClient(ctx, server.URL, true)
	check(err)
	c := &control{
		front: &front{
			service:  model.Service,
			user:     *user,
			password: *password,
			calls:    make(map[string]int),
			pages:    make(map[string][][]byte),
			delays:   make(map[string]time.Duration),
			failing:  make(map[string]int),
		},
		client: client,
		finder: find.NewFinder(client.Client, false),
	}
	distinctMACs()
	restClient := rest.NewClient(client.Client)
	check(restClient.Login(ctx, url.UserPassword("it", "self")))
	c.tags = tags.NewManager(restClient)
	dc, err := c.finder.DefaultDatacenter(ctx)
	check(err)
	c.finder.SetDatacenter(dc)
	// Our own client is in; from here on a login wants these.
	model.Service.Listen.User = url.UserPassword(*user, *password)

	cert, err := certificate(*ca)
	check(err)
	listener, err := tls.Listen("tcp", "127.0.0.1:0",
		&tls.Config{Certificates: []tls.Certificate{cert}})
	check(err)
	go func() {
		s := &http.Server{Handler: c.front,
			ErrorLog: log.New(io.Discard, "", 0)}
		_ = s.Serve(listener)
	}()
	fmt.Printf("ready %s\n", listener.Addr())

	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 1<<22)
	for input.Scan() {
		value, err := c.run(ctx, strings.Fields(input.Text()))
		if err != nil {
			fmt.Printf("error %s\n", strings.ReplaceAll(err.Error(), "\n",
				" "))
		} else {
			fmt.Printf("%s\n", strings.TrimSpace("ok "+value))
		}
	}
}
