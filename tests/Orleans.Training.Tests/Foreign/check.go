// Checks notes, inclusion proofs and consistency proofs with golang.org/x/mod/sumdb and nothing of ours.
//
//	check VKEY[,VKEY…] FOLDER
//
// NAME.proof is a tlog-proof; NAME.old and NAME.new are checkpoints, and NAME.tree the proof that the second continues the first, a hash a line.
// Prints "NAME accepted" or "NAME refused: why" for each.
package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	var logs []note.Verifier
	for _, key := range strings.Split(os.Args[1], ",") {
		log, err := note.NewVerifier(key)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		logs = append(logs, log)
	}
	report("*.proof", func(path string) error { return checkRecord(path, logs) })
	report("*.tree", func(path string) error { return checkTree(path, logs) })
}

func report(pattern string, check func(string) error) {
	paths, _ := filepath.Glob(filepath.Join(os.Args[2], pattern))
	sort.Strings(paths)
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		if err := check(path); err != nil {
			fmt.Printf("%s refused: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Printf("%s accepted\n", name)
		}
	}
}

func checkRecord(path string, logs []note.Verifier) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, found := strings.Cut(string(content), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "extra ") || !strings.HasPrefix(lines[2], "index ") {
		return errors.New("no tlog-proof")
	}
	leaf, err := base64.StdEncoding.DecodeString(lines[1][6:])
	if err != nil {
		return err
	}
	index, err := strconv.ParseInt(lines[2][6:], 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	size, root, err := openCheckpoint([]byte(rest), logs)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, size, root, index, tlog.RecordHash(leaf))
}

func checkTree(path string, logs []note.Verifier) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var proof tlog.TreeProof
	for _, line := range strings.Fields(string(content)) {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	base := strings.TrimSuffix(path, ".tree")
	oldSize, oldRoot, err := readCheckpoint(base+".old", logs)
	if err != nil {
		return err
	}
	newSize, newRoot, err := readCheckpoint(base+".new", logs)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, newSize, newRoot, oldSize, oldRoot)
}

func readCheckpoint(path string, logs []note.Verifier) (int64, tlog.Hash, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	return openCheckpoint(content, logs)
}

func openCheckpoint(content []byte, logs []note.Verifier) (int64, tlog.Hash, error) {
	opened, err := note.Open(content, note.VerifierList(logs...))
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != logs[0].Name() {
		return 0, tlog.Hash{}, errors.New("no checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return size, root, err
}
