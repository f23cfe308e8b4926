using System.Buffers.Binary;
using System.Buffers.Text;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;

namespace Orleans.Training.Gateway.Keys;

/// <summary>The form of an API key: <c>fk_test_</c>, 32 random bytes and their CRC-32C, each in base64url. The checksum finds typing errors and lets scanners know a leaked key.</summary>
internal static class ApiKeySecret
{
    private const string Prefix = "fk_test_";
    private const int SecretCharacters = 43;
    private const int Characters = 8 + SecretCharacters + 6;

    public static string Create()
    {
        Span<byte> secret = stackalloc byte[32];
        RandomNumberGenerator.Fill(secret);
        var body = Prefix + Base64Url.EncodeToString(secret);
        CryptographicOperations.ZeroMemory(secret);
        return body + Checksum(body);
    }

    public static bool IsWellFormed(string text) =>
        text.Length == Characters && text.StartsWith(Prefix, StringComparison.Ordinal) && Ascii.IsValid(text) && text[(8 + SecretCharacters)..] == Checksum(text[..(8 + SecretCharacters)]);

    public static byte[] HashOf(string text) => SHA256.HashData(Encoding.ASCII.GetBytes(text));

    private static string Checksum(string body)
    {
        var crc = uint.MaxValue;
        foreach (var octet in Encoding.ASCII.GetBytes(body)) crc = BitOperations.Crc32C(crc, octet);
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, ~crc);
        return Base64Url.EncodeToString(bytes);
    }
}
