using System.CommandLine;
using Orleans.Training.Grains.Silos;

namespace Orleans.Training.Cli;

/// <summary>The options of <c>serve</c> for TLS on the ports for silos and clients of Orleans.</summary>
internal sealed class TlsArguments
{
    public Option<string?> Certificate { get; } = new("--tls-certificate") { Description = "PEM file of this silo's certificate: mutual TLS on the ports for silos and clients. Read again when it changes." };

    public Option<string?> Key { get; } = new("--tls-key") { Description = "PEM file of its private key, for its owner only." };

    public Option<string?> Authority { get; } = new("--tls-ca") { Description = "PEM file of the authorities whose certificates are let in." };

    public Option<string[]> Names { get; } = new("--tls-name") { Description = "A DNS name of which a peer's certificate must bear one; may stand several times. Without it, every certificate of the authorities is let in.", AllowMultipleArgumentsPerToken = true };

    /// <summary>What was said; null when nothing was. Whether it is enough, the silo checks.</summary>
    public SiloTlsOptions? Read(ParseResult parsed)
    {
        var names = parsed.GetValue(Names) ?? [];
        if (parsed.GetValue(Certificate) is null && parsed.GetValue(Key) is null && parsed.GetValue(Authority) is null && names.Length == 0) return null;
        var options = new SiloTlsOptions { CertificateFile = parsed.GetValue(Certificate) ?? "", KeyFile = parsed.GetValue(Key) ?? "", AuthorityFile = parsed.GetValue(Authority) ?? "" };
        foreach (var name in names) options.AllowedNames.Add(name);
        return options;
    }
}
