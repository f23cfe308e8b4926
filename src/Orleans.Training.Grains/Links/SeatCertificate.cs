using System.Formats.Cbor;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Links;

/// <summary>
/// The certificate with which a seat shows itself in TLS (docs/spec/links.md §2): self-signed by a key that lives as long as the process, with an extension in which the seat's
/// transaction key vouches for that key; the way of libp2p's TLS specification. No authority is asked, and it never expires: what ends is the process.
/// </summary>
public static class SeatCertificate
{
    /// <summary>The extension: an arc of the UUID tree (ITU-T X.667), so that nobody had to be asked for it.</summary>
    public const string ExtensionOid = "2.25.165151595538548910885869616448109857267";

    private const int MaximumExtensionBytes = 256;
    private static readonly byte[] Domain = "FLv1-link\0"u8.ToArray();

    /// <summary>Makes the certificate of a process that holds a seat, with its private key; one signature by the seat's transaction key.</summary>
    public static async Task<X509Certificate2> Create(Genesis genesis, int seat, ISigner transactionKey, CancellationToken cancellationToken)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var statement = Statement(genesis, seat, key.ExportSubjectPublicKeyInfo());
        var signature = await transactionKey.Sign(statement, cancellationToken);
        var extension = Wire.Encode(writer =>
        {
            writer.WriteStartArray(3);
            writer.WriteUInt32(1);
            writer.WriteInt32(seat);
            writer.WriteByteString(signature);
            writer.WriteEndArray();
        });
        var request = new CertificateRequest("CN=seat", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509Extension(ExtensionOid, extension, critical: false));
        // RFC 5280 §4.1.2.5: a certificate without a well-defined end. Nobody checks these dates.
        return request.CreateSelfSigned(DateTimeOffset.UnixEpoch, new DateTimeOffset(9999, 12, 31, 23, 59, 59, TimeSpan.Zero));
    }

    /// <summary>The seat whose transaction key vouches for this certificate's key; null when none does. That its owner holds the key is TLS's part to show.</summary>
    public static int? SeatOf(Genesis genesis, X509Certificate2 certificate)
    {
        var extensions = certificate.Extensions.Where(extension => extension.Oid?.Value == ExtensionOid).ToArray();
        if (extensions.Length != 1 || !Wire.TryDecode(extensions[0].RawData, MaximumExtensionBytes, Read, out var read) || read.Seat >= genesis.Validators.Count) return null;
        var statement = Statement(genesis, read.Seat, certificate.PublicKey.ExportSubjectPublicKeyInfo());
        return Signatures.Verify(genesis.Validators.Seats[read.Seat].TransactionKey, statement, read.Signature.Span) ? read.Seat : null;
    }

    private static (int Seat, ReadOnlyMemory<byte> Signature) Read(CborReader reader)
    {
        reader.ReadArrayHead(3);
        reader.ReadVersion(1);
        var read = (reader.ReadNumber(Limits.Validators - 1), reader.ReadBytes(Signatures.Size));
        reader.ReadEndArray();
        return read;
    }

    // "FLv1-link\0" ‖ chain ‖ shard ‖ seat (one byte) ‖ SHA-256(SubjectPublicKeyInfo)
    private static byte[] Statement(Genesis genesis, int seat, byte[] publicKeyInfo) =>
        [.. Domain, .. genesis.Chain.ToArray(), .. genesis.Shard.ToArray(), (byte)seat, .. SHA256.HashData(publicKeyInfo)];
}
