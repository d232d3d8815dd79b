// Package portowner finds the process that listens on a TCP port, so that "address already in use" can name
// it. It only reads /proc (proc(5), Linux); called when listening was refused.
package portowner

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Owner is a process that listens.
type Owner struct {
	PID  int
	Name string
}

// stateListen is TCP_LISTEN of the kernel's tcp_states.h, as /proc/net/tcp prints it.
const stateListen = "0A"

// Find names a process that listens on the port, and false when none can be seen: it has just gone, or
// belongs to another user or network namespace. proc is the mount point, "/proc" but in tests.
func Find(proc string, port int) (Owner, bool) {
	inodes := map[string]bool{}
	for _, table := range []string{"net/tcp", "net/tcp6"} {
		for _, inode := range listeningInodes(filepath.Join(proc, table), port) {
			inodes["socket:["+inode+"]"] = true
		}
	}
	if len(inodes) == 0 {
		return Owner{}, false
	}
	links, err := filepath.Glob(filepath.Join(proc, "[0-9]*/fd/[0-9]*"))
	if err != nil {
		return Owner{}, false
	}
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !inodes[target] {
			continue
		}
		dir := filepath.Dir(filepath.Dir(link))
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		return Owner{PID: pid, Name: processName(dir)}, true
	}
	return Owner{}, false
}

// commLength is how much of a name the kernel keeps (TASK_COMM_LEN without its NUL).
const commLength = 15

func processName(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, "comm"))
	if err != nil {
		return "a process"
	}
	name := strings.TrimSpace(string(text))
	if len(name) < commLength {
		return name
	}
	command, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil {
		return name
	}
	program, _, _ := strings.Cut(string(command), "\x00")
	if whole := filepath.Base(program); strings.HasPrefix(whole, name) {
		return whole
	}
	return name
}

// listeningInodes reads the socket inodes of listeners on the port from a table like /proc/net/tcp.
func listeningInodes(table string, port int) []string {
	file, err := os.Open(table)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	suffix := fmt.Sprintf(":%04X", port)
	var inodes []string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		// sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode
		fields := strings.Fields(lines.Text())
		if len(fields) > 9 && fields[3] == stateListen && strings.HasSuffix(fields[1], suffix) {
			inodes = append(inodes, fields[9])
		}
	}
	return inodes
}
