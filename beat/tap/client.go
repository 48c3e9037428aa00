package tap

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/elastic/beats/v7/libbeat/cfgfile"
	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
)

// A Client asks a podbeat through its socket.
type Client struct {
	Path string // of the socket
	off  bool   // the configuration wants none
	http *http.Client
}

// packaged is the socket of a podbeat that was installed as a package or runs in a container.
const packaged = "/var/lib/podbeat/" + SocketName

// SocketFlag adds the flag --socket to cmd. The function it returns makes the Client: of that socket, or else of the podbeat that
// the configuration is of which the command line names with -c, --path.data and the like. If it names none, and there is none
// beside the program either, it is the podbeat that was installed.
func SocketFlag(cmd *cobra.Command) func() (*Client, error) {
	path := cmd.Flags().String("socket", "", "`PATH` of the socket of the podbeat that is meant (default "+SocketName+" in the path.data of the configuration, or "+packaged+")")
	return func() (*Client, error) {
		if *path != "" {
			return NewClient(*path), nil
		}
		if err := cfgfile.HandleFlags(); err != nil {
			return nil, err
		}
		cfg, err := cfgfile.Load("", nil)
		if err != nil {
			if data := cmd.Flags().Lookup("path.data"); data != nil && data.Changed {
				return NewClient(filepath.Join(data.Value.String(), SocketName)), nil
			}
			named := false
			for _, flag := range []string{"c", "E", "path.home", "path.config"} {
				named = named || cmd.Flags().Changed(flag)
			}
			if !named && errors.Is(err, fs.ErrNotExist) {
				return NewClient(packaged), nil
			}
			return nil, fmt.Errorf("cannot find out where podbeat's socket is: %w: name podbeat's configuration with -c FILE, or give --socket PATH", err)
		}
		data, err := cfg.String("path.data", -1)
		if err != nil {
			return nil, fmt.Errorf("cannot find out where podbeat's socket is: cannot read path.data: %w: give --socket PATH", err)
		}
		c := NewClient(filepath.Join(data, SocketName))
		if on, err := cfg.Bool(configName, -1); err == nil {
			c.off = !on
		}
		return c, nil
	}
}

const configName = "podbeat.tap.enabled"

// NewClient makes a Client of the podbeat whose socket is at path.
func NewClient(path string) *Client {
	c := &Client{Path: path}
	c.http = &http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return dial(path) },
	}}
	return c
}

// Get asks for what podbeat has at a path such as /stats. The answer, which may have any status, is at most maxAnswer bytes.
func (c *Client) Get(ctx context.Context, path string) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	resp, err := c.get(ctx, path)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return 0, nil, fmt.Errorf("cannot read what podbeat answers to %s: %w", path, err)
	}
	return resp.StatusCode, body, nil
}

const maxAnswer = 16 << 20

func (c *Client) get(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://podbeat"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	return resp, nil
}

// explain says what it means that podbeat cannot be asked, and what to do.
func (c *Client) explain(ctx context.Context, err error) error {
	const other = "name the configuration of the podbeat that is meant with -c FILE, or its socket with --socket PATH"
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case errors.Is(err, fs.ErrNotExist) && c.off:
		return fmt.Errorf("podbeat has no socket at %s: its configuration says %s: false", c.Path, configName)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("no podbeat runs here: there is no socket %s: start it, or %s", c.Path, other)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no podbeat runs here: the socket %s is left from one that was killed: start it, or %s", c.Path, other)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("cannot open the socket %s: permission denied: only root and the user that podbeat runs as may, so try sudo", c.Path)
	case errors.Is(err, syscall.ENOTSOCK), errors.Is(err, syscall.EPROTOTYPE):
		return fmt.Errorf("%s is no socket of a podbeat: %s", c.Path, other)
	}
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err
	}
	return fmt.Errorf("cannot ask podbeat at socket %s: %w", c.Path, err)
}

// missing says that no input has a type or an id, and which there are; "" if one has.
func (c *Client) missing(ctx context.Context, input string) string {
	var receipt struct {
		Inputs []struct{ Type, ID string }
	}
	status, body, err := c.Get(ctx, "/receipt")
	if err != nil || status != http.StatusOK || json.Unmarshal(body, &receipt) != nil {
		return "" // the tap will say so
	}
	var known []string
	for _, in := range receipt.Inputs {
		if in.Type == input || in.ID == input {
			return ""
		}
		known = append(known, cli.Printable(in.Type+" "+in.ID))
	}
	return fmt.Sprintf("there is no input with the type or id %s now; there are: %s", cli.Printable(input), strings.Join(known, ", "))
}

// A Request says what a tap is to show.
type Request struct {
	Filter string   // KQL; "": all events
	Input  string   // id or type of an input; "": of all
	Fields []string // none: all
	Limit  int64    // 0: none
	Sample int64    // one of so many; 0: all
}

// Tap calls event with every event, a line of JSON, and notice with every count of what there was. It ends with ctx, when the limit is
// reached, and when podbeat stops.
func (c *Client) Tap(ctx context.Context, r Request, event func(line []byte) error, notice func(Counts)) error {
	v := url.Values{}
	for name, value := range map[string]string{"filter": r.Filter, "input": r.Input, "fields": strings.Join(r.Fields, ",")} {
		if value != "" {
			v.Set(name, value)
		}
	}
	for name, n := range map[string]int64{"limit": r.Limit, "sample": r.Sample} {
		if n != 0 {
			v.Set(name, fmt.Sprint(n))
		}
	}
	resp, err := c.get(ctx, "/tap?"+v.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 8<<10))
		return fmt.Errorf("podbeat refuses: %s", cli.Printable(strings.TrimSpace(string(text))))
	}
	in := bufio.NewReaderSize(resp.Body, 64<<10)
	for {
		line, err := in.ReadBytes('\n')
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return errors.New("podbeat has ended")
		case !bytes.HasPrefix(line, noticeStart):
			if err := event(line); err != nil {
				return err
			}
			continue
		}
		var told struct{ Tap Counts }
		if err := json.Unmarshal(line, &told); err != nil {
			return fmt.Errorf("cannot read what podbeat says: %w", err)
		}
		notice(told.Tap)
		switch {
		case told.Tap.Failed != "":
			return errors.New(cli.Printable(told.Tap.Failed))
		case told.Tap.End == endStops:
			return errors.New(endStops)
		case told.Tap.End != "":
			return nil
		}
	}
}
