using System.Formats.Cbor;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;
using PublicKey = Orleans.Training.Protocol.PublicKey;

namespace Orleans.Training.Grains.Links;

/// <summary>
/// The certificate with which an organisation shows itself in TLS (docs/spec/links.md §2): self-signed by a key that lives as long as the process, with an extension in which the
/// transaction key of its seat vouches for that key; the way of libp2p's TLS specification. No authority is asked, and it never expires: what ends is the process.
/// </summary>
public static class SeatCertificate
{
    /// <summary>The extension: an arc of the UUID tree (ITU-T X.667), so that nobody had to be asked for it.</summary>
    public const string ExtensionOid = "2.25.165151595538548910885869616448109857267";

    private const int MaximumExtensionBytes = 256;
    private static readonly byte[] Domain = "FLv1-link\0"u8.ToArray();

    /// <summary>Makes the certificate of an organisation's process, with its private key; one signature by the transaction key of its seat.</summary>
    public static async Task<X509Certificate2> Create(Genesis genesis, ParticipantId organisation, ISigner transactionKey, CancellationToken cancellationToken)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var statement = Statement(genesis, organisation, key.ExportSubjectPublicKeyInfo());
        var signature = await transactionKey.Sign(statement, cancellationToken);
        var extension = Wire.Encode(writer =>
        {
            writer.WriteStartArray(4);
            writer.WriteUInt32(2);
            writer.Write(organisation);
            transactionKey.PublicKey.Write(writer);
            writer.WriteByteString(signature);
            writer.WriteEndArray();
        });
        var request = new CertificateRequest("CN=seat", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509Extension(ExtensionOid, extension, critical: false));
        // RFC 5280 §4.1.2.5: a certificate without a well-defined end. Nobody checks these dates.
        return request.CreateSelfSigned(DateTimeOffset.UnixEpoch, new DateTimeOffset(9999, 12, 31, 23, 59, 59, TimeSpan.Zero));
    }

    /// <summary>
    /// Who vouches for this certificate's key, and with which key of his; null when nobody does for this shard. That its owner holds the key is TLS's part to show; whether
    /// the organisation may have a link with that key, <see cref="LinkMembers"/> says.
    /// </summary>
    public static LinkIdentity? IdentityOf(Genesis genesis, X509Certificate2 certificate)
    {
        var extensions = certificate.Extensions.Where(extension => extension.Oid?.Value == ExtensionOid).ToArray();
        if (extensions.Length != 1 || !Wire.TryDecode(extensions[0].RawData, MaximumExtensionBytes, Read, out var read)) return null;
        var statement = Statement(genesis, read.Organisation, certificate.PublicKey.ExportSubjectPublicKeyInfo());
        return Signatures.Verify(read.Key, statement, read.Signature.Span) ? new LinkIdentity(read.Organisation, read.Key.Id) : null;
    }

    private static (ParticipantId Organisation, PublicKey Key, ReadOnlyMemory<byte> Signature) Read(CborReader reader)
    {
        reader.ReadArrayHead(4);
        reader.ReadVersion(2);
        var read = (reader.ReadParticipant(), PublicKey.Read(reader), reader.ReadBytes(Signatures.Size));
        reader.ReadEndArray();
        return read;
    }

    // "FLv1-link\0" ‖ chain ‖ shard ‖ length of the name (one byte) ‖ name ‖ SHA-256(SubjectPublicKeyInfo)
    private static byte[] Statement(Genesis genesis, ParticipantId organisation, byte[] publicKeyInfo) =>
        [.. Domain, .. genesis.Chain.ToArray(), .. genesis.Shard.ToArray(), (byte)organisation.Name.Length, .. System.Text.Encoding.ASCII.GetBytes(organisation.Name), .. SHA256.HashData(publicKeyInfo)];
}
