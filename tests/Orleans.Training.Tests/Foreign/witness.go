// A log of somebody else's, made with golang.org/x/mod/sumdb, that asks a witness to cosign it as c2sp.org/tlog-witness says. Without arguments it prints its log key; with the
// witness's address and key, one line for each request: what was asked, the status, and what came back.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const origin = "go.example/log"

type tree struct{ hashes []tlog.Hash }

func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		out[i] = t.hashes[index]
	}
	return out, nil
}

func (t *tree) grow(from, to int64, what string) {
	for i := from; i < to; i++ {
		hashes, err := tlog.StoredHashes(i, []byte(fmt.Sprintf("%s %d", what, i)), t)
		must(err)
		t.hashes = append(t.hashes, hashes...)
	}
}

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// c2sp.org/tlog-cosignature: type 0x04, over "cosignature/v1\ntime T\n" and the note.
type cosigner struct {
	name string
	id   uint32
	key  ed25519.PublicKey
}

func newCosigner(vkey string) cosigner {
	parts := strings.SplitN(vkey, "+", 3)
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	must(err)
	hash := sha256.Sum256(append([]byte(parts[0]+"\n"), raw...))
	return cosigner{parts[0], binary.BigEndian.Uint32(hash[:]), ed25519.PublicKey(raw[1:])}
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.id }
func (c cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 72 {
		return false
	}
	return ed25519.Verify(c.key, []byte(fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), msg)), sig[8:])
}

func main() {
	secret, public, err := note.GenerateKey(strings.NewReader(strings.Repeat("a test's log key", 4)), origin)
	must(err)
	if len(os.Args) == 1 {
		fmt.Println(public)
		return
	}
	address, vkey := os.Args[1], os.Args[2]
	signer, err := note.NewSigner(secret)
	must(err)
	witness := newCosigner(vkey)

	honest, forked := &tree{}, &tree{}
	honest.grow(0, 300, "entry")
	forked.grow(0, 5, "entry")
	forked.grow(5, 300, "another")

	ask := func(what string, t *tree, old, proven, size int64, change func(string) string) {
		root, err := tlog.TreeHash(size, t)
		must(err)
		text := string(tlog.FormatTree(tlog.Tree{N: size, Hash: root}))
		text = strings.Replace(text, "go.sum database tree", origin, 1)
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		must(err)
		body := fmt.Sprintf("old %d\n", old)
		if proven > 0 && proven <= size {
			proof, err := tlog.ProveTree(size, proven, t)
			must(err)
			for _, hash := range proof {
				body += base64.StdEncoding.EncodeToString(hash[:]) + "\n"
			}
		}
		body = change(body + "\n" + string(signed))
		response, err := http.Post(address+"/add-checkpoint", "text/plain", strings.NewReader(body))
		must(err)
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		must(err)
		says := strings.TrimSpace(response.Header.Get("Content-Type")) + " " + strings.TrimSpace(string(answer))
		if response.StatusCode == 200 {
			says = "no cosignature"
			if opened, err := note.Open(append(signed, answer...), note.VerifierList(witness)); err == nil && len(opened.Sigs) == 1 {
				says = "cosigned"
			}
		}
		fmt.Printf("%s: %d %s\n", what, response.StatusCode, says)
	}
	same := func(body string) string { return body }
	ask("first", honest, 0, 0, 5, same)
	ask("the same again", honest, 5, 5, 5, same)
	ask("grown", honest, 5, 5, 300, same)
	ask("from an old size", honest, 5, 5, 290, same)
	ask("forked", forked, 300, 300, 300, same)
	ask("forked later", forked, 5, 5, 300, same)
	ask("shrunk", honest, 300, 0, 7, same)
	ask("without proof", honest, 300, 0, 300, func(body string) string { return strings.Replace(body, "old 300\n", "old 300\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", 1) })
	ask("signed by nobody", honest, 300, 0, 300, func(body string) string { return body[:strings.LastIndex(body, "—")] + "— somebody AAAAAAAA\n" })
	ask("another signature", honest, 300, 0, 300, func(body string) string { return body[:len(body)-10] + "AAAAAAAA=\n" })
	ask("another log", honest, 300, 0, 300, func(body string) string { return strings.ReplaceAll(body, origin, "go.example/other") })
	ask("no request", honest, 300, 0, 300, func(body string) string { return "new " + body[4:] })
	response, err := http.Get(fmt.Sprintf("%s/%x/checkpoint", address, sha256.Sum256([]byte(origin))))
	must(err)
	defer response.Body.Close()
	held, err := io.ReadAll(response.Body)
	must(err)
	verifier, err := note.NewVerifier(public)
	must(err)
	opened, err := note.Open(held, note.VerifierList(verifier, witness))
	must(err)
	fmt.Printf("held: %d signatures on size %s\n", len(opened.Sigs), strings.Split(opened.Text, "\n")[1])
}
