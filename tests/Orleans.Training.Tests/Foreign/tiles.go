// Reads a whole log from an address as c2sp.org/tlog-tiles, and believes nothing but the log key: the checkpoint's signature, the tree's hashes by
// tiles, and every entry by its hash in that tree.
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type tiles struct{ address, key string }

func (t tiles) get(path string) []byte {
	request, err := http.NewRequest("GET", t.address+"/"+path, nil)
	must(err)
	request.Header.Set("Authorization", "Bearer "+t.key)
	response, err := http.DefaultClient.Do(request)
	must(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(err)
	if response.StatusCode != 200 {
		must(fmt.Errorf("%s: %s", path, response.Status))
	}
	return body
}

func (t tiles) Height() int { return 8 }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	read := make([][]byte, len(wanted))
	for i, tile := range wanted {
		read[i] = t.get(strings.Replace(tile.Path(), "tile/8/", "tile/", 1))
	}
	return read, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(0)
	}
}

func main() {
	log := tiles{os.Args[2], os.Args[3]}
	verifier, err := note.NewVerifier(os.Args[1])
	must(err)
	signed, err := note.Open(log.get("checkpoint"), note.VerifierList(verifier))
	must(err)
	lines := strings.Split(signed.Text, "\n")
	var size int64
	_, err = fmt.Sscan(lines[1], &size)
	must(err)
	root, err := tlog.ParseHash(lines[2])
	must(err)
	hashes := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, log)
	for first := int64(0); first < size; first += 256 {
		width := size - first
		if width > 256 {
			width = 256
		}
		path := fmt.Sprintf("tile/entries/%03d", first/256)
		if width < 256 {
			path += fmt.Sprintf(".p/%d", width)
		}
		bundle := log.get(path)
		for i := int64(0); i < width; i++ {
			length := int(binary.BigEndian.Uint16(bundle))
			entry := bundle[2 : 2+length]
			bundle = bundle[2+length:]
			proof, err := tlog.ProveRecord(size, first+i, hashes)
			must(err)
			must(tlog.CheckRecord(proof, size, root, first+i, tlog.RecordHash(entry)))
		}
		if len(bundle) != 0 {
			must(fmt.Errorf("%s has %d bytes too many", path, len(bundle)))
		}
	}
	fmt.Printf("read %d entries of %s\n", size, lines[0])
}
