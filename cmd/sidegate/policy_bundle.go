package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/policy/authoring"
)

func newPolicyBundleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bundle",
		Short: "Build, sign and inspect bundles of policies",
		Long: `A bundle is policies in one file, as OPA distributes them. A gateway takes it as one of policy.paths, or fetches it.

  sidegate policy bundle build policies --revision 42 -o bundle.tar.gz
  sidegate policy bundle sign bundle.tar.gz --signing-key private.pem --key-id policies
  sidegate policy bundle inspect bundle.tar.gz --verification-key public.pem --key-id policies`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBundleBuildCommand(), newBundleSignCommand(), newBundleInspectCommand())
	return cmd
}

func newBundleBuildCommand() *cobra.Command {
	var o authoring.BuildOptions
	var paths policyPaths
	var output string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "build [DIR...]",
		Short: "Make a bundle of directories of policies",
		Long: `Build makes a bundle as opa build --bundle does: rules are formatted, data is merged, tests are left out, nothing is
optimized. Its roots are those of each directory's .manifest. The same files give the same bytes. What a gateway would
refuse is not written.`,
		Example: `  sidegate policy bundle build policies
  sidegate policy bundle build policies --revision "$(git rev-parse HEAD)" --output bundle.tar.gz`,
		RunE: func(cmd *cobra.Command, args []string) error {
			dirs, err := paths.with(args)
			if err != nil {
				return err
			}
			o.AllowBuiltins = paths.allow
			content, err := authoring.Build(cmd.Context(), dirs, o)
			if err != nil {
				return cannotLoad(cmd, err)
			}
			if err := writeBeside(output, content, 0o644); err != nil {
				return err
			}
			return reportBundle(cmd.OutOrStdout(), output, content, asJSON)
		},
	}
	paths.bind(cmd)
	paths.bindBuiltins(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "bundle.tar.gz", "file to write")
	cmd.Flags().StringVarP(&o.Revision, "revision", "r", "", "revision to write to the manifest (default the one that is there)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newBundleSignCommand() *cobra.Command {
	var key authoring.Key
	var output string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "sign BUNDLE --signing-key FILE --key-id ID",
		Short: "Sign a bundle",
		Long: `Sign puts a signature over all files of a bundle into it, in place of any that is there, and names the key by its ID. In
the gateway's configuration the same ID names the public key, and signing.keyid of the bundle.

Keys are read from files only, because the arguments of a command can be seen by everybody on the host. A private key is
PEM; for HMAC (HS256 and its kin) the file is the secret, byte for byte.`,
		Example: `  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out private.pem
  openssl pkey -in private.pem -pubout -out public.pem
  sidegate policy bundle sign bundle.tar.gz --signing-key private.pem --signing-alg ES256 --key-id policies`,
		Args: oneArgument("the bundle", "sidegate policy bundle sign bundle.tar.gz --signing-key private.pem --key-id policies"),
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			signed, err := authoring.Sign(content, key)
			if err != nil {
				return fmt.Errorf("%s was not signed: %w", args[0], err)
			}
			if output == "" {
				output = args[0]
			}
			if err := writeBeside(output, signed, 0o644); err != nil {
				return err
			}
			return reportBundle(cmd.OutOrStdout(), output, signed, asJSON)
		},
	}
	cmd.Flags().StringVar(&key.File, "signing-key", "", "file with the private key or, for HMAC, the secret")
	bindKey(cmd, &key)
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write (default the bundle itself)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newBundleInspectCommand() *cobra.Command {
	var key authoring.Key
	var format *choice
	cmd := &cobra.Command{
		Use:   "inspect BUNDLE",
		Short: "Show what a bundle holds, and verify its signature",
		Long: `Inspect prints manifest, packages, files and signature of a bundle. With --verification-key it verifies the signature
over every file, and exits with 1 when it is not that key's, or when there is none.`,
		Example: `  sidegate policy bundle inspect bundle.tar.gz
  sidegate policy bundle inspect bundle.tar.gz --verification-key public.pem --signing-alg ES256 --key-id policies`,
		Args: oneArgument("the bundle", "sidegate policy bundle inspect bundle.tar.gz"),
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			var verify *authoring.Key
			if key.File != "" {
				verify = &key
			} else if key.ID != "" {
				return errors.New("--key-id names a key: give --verification-key too")
			}
			info, err := authoring.Inspect(content, verify)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if format.value == "json" {
				return printJSON(cmd.OutOrStdout(), info)
			}
			return printBundle(cmd.OutOrStdout(), info)
		},
	}
	cmd.Flags().StringVar(&key.File, "verification-key", "", "file with the public key or, for HMAC, the secret")
	bindKey(cmd, &key)
	format = bindFormat(cmd, "pretty", "json")
	return cmd
}

func bindKey(cmd *cobra.Command, key *authoring.Key) {
	cmd.Flags().StringVar(&key.Algorithm, "signing-alg", "RS256", "algorithm of the signature")
	cmd.Flags().StringVar(&key.ID, "key-id", "", "the name that the gateway's configuration gives the key")
}

// reportBundle says what was written.
func reportBundle(w io.Writer, name string, content []byte, asJSON bool) error {
	info, err := authoring.Inspect(content, nil)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(w, struct {
			File string `json:"file"`
			authoring.BundleInfo
		}{name, info})
	}
	revision := "no revision: the gateway names it by its content"
	if info.Revision != "" {
		revision = "revision " + info.Revision
	}
	_, err = fmt.Fprintf(w, "%s: %s, %s, %s, %s\n", name, humanize.IBytes(uint64(len(content))), count(len(info.Files), "file"), revision, signatureText(info.Signature))
	return err
}

func printBundle(w io.Writer, info authoring.BundleInfo) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "revision\t%s\n", info.Revision)
	fmt.Fprintf(table, "roots\t%s\n", strings.Join(info.Roots, ", "))
	for _, key := range slices.Sorted(maps.Keys(info.Metadata)) {
		fmt.Fprintf(table, "metadata %s\t%v\n", key, info.Metadata[key])
	}
	fmt.Fprintf(table, "signature\t%s\n", signatureText(info.Signature))
	for _, name := range info.Packages {
		fmt.Fprintf(table, "package\t%s\n", name)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(table, "\nSIZE\tSHA-256\tFILE")
	for _, f := range info.Files {
		fmt.Fprintf(table, "%d\t%s\t%s\n", f.Size, f.SHA256, f.Name)
	}
	return table.Flush()
}

func signatureText(s *authoring.Signature) string {
	switch {
	case s == nil:
		return "not signed"
	case s.Verified:
		return fmt.Sprintf("verified: %s by key %q over %s", s.Algorithm, s.KeyID, count(s.Files, "file"))
	}
	return fmt.Sprintf("says %s by key %q over %s; not verified, give --verification-key", s.Algorithm, s.KeyID, count(s.Files, "file"))
}
