namespace Orleans.Training.Grains.Silos;

/// <summary>
/// Mutual TLS 1.3 between silos and their clients (docs/spec/transport.md). The files are PEM and are read again at each handshake, so that a rotation needs no restart.
/// </summary>
public sealed class SiloTlsOptions
{
    /// <summary>The certificate of this silo, with those between it and the authority behind it. It serves as server and as client.</summary>
    public string CertificateFile { get; set; } = "";

    /// <summary>The certificate's private key, unencrypted; nobody but its owner may read the file.</summary>
    public string KeyFile { get; set; } = "";

    /// <summary>The authorities whose certificates are let in; no others, and none of the machine's, count.</summary>
    public string AuthorityFile { get; set; } = "";

    /// <summary>The DNS names of which a peer's certificate must bear one. Default none: every certificate of the authorities is let in, so they must serve this cluster alone.</summary>
    public IList<string> AllowedNames { get; } = [];

    /// <summary>How long a peer has to prove itself. Default 5 s.</summary>
    public TimeSpan HandshakeTimeout { get; set; } = TimeSpan.FromSeconds(5);

    internal IEnumerable<string> Failures()
    {
        if (CertificateFile.Length == 0 || KeyFile.Length == 0 || AuthorityFile.Length == 0) yield return "OT-7011 TLS needs all three files: certificate, key and authorities (CertificateFile, KeyFile, AuthorityFile).";
        if (HandshakeTimeout <= TimeSpan.Zero) yield return $"OT-7011 HandshakeTimeout ({HandshakeTimeout}) must be above zero.";
        foreach (var name in AllowedNames.Where(name => Uri.CheckHostName(name) is not UriHostNameType.Dns)) yield return $"OT-7011 AllowedNames holds '{name}', which is no DNS name.";
    }
}
