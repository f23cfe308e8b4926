using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace Orleans.Training.Grains.Keys;

/// <summary>
/// Where a passphrase or PIN is to be read when it is needed: <c>file:/absolute/path</c> or <c>env:NAME</c>. It names the place and never holds the secret,
/// so it may stand in files, logs and messages.
/// </summary>
public sealed record SecretSource
{
    /// <summary>Bytes of a secret, without the line end that a file may have behind it.</summary>
    public const int MaximumBytes = 1024;

    private const string FilePrefix = "file:";
    private const string EnvironmentPrefix = "env:";

    private static readonly SearchValues<char> VariableCharacters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

    private readonly string _text;

    private SecretSource(string text) => _text = text;

    /// <summary>Reads the form of a source; the place itself is looked at by <see cref="Read"/> only.</summary>
    public static bool TryParse(string text, out SecretSource? source)
    {
        var good = text.StartsWith(FilePrefix, StringComparison.Ordinal) ? Path.IsPathFullyQualified(text[FilePrefix.Length..]) && !text.Any(char.IsControl)
            : text.StartsWith(EnvironmentPrefix, StringComparison.Ordinal) && IsVariable(text.AsSpan(EnvironmentPrefix.Length));
        source = good ? new SecretSource(text) : null;
        return good;
    }

    /// <summary>Reads the secret; the caller disposes it, which zeroes it.</summary>
    /// <exception cref="OperationalException">OT-4035: there is none, or it is empty or too long. OT-4031: others than its owner may use the file.</exception>
    public Secret Read() => _text.StartsWith(FilePrefix, StringComparison.Ordinal) ? ReadFile(_text[FilePrefix.Length..]) : ReadVariable(_text[EnvironmentPrefix.Length..]);

    /// <summary>The place.</summary>
    public override string ToString() => _text;

    private static bool IsVariable(ReadOnlySpan<char> name) => name.Length is > 0 and <= 256 && !char.IsAsciiDigit(name[0]) && !name.ContainsAnyExcept(VariableCharacters);

    private Secret ReadFile(string path)
    {
        var buffer = GC.AllocateArray<byte>(MaximumBytes + 3, pinned: true);
        try
        {
            using var handle = File.OpenHandle(path);
            KeyFolder.RequireOwnerOnly(handle, path);
            var length = 0;
            for (int read; (read = RandomAccess.Read(handle, buffer.AsSpan(length), length)) > 0;) length += read;
            if (length > 0 && buffer[length - 1] == '\n') length--;
            if (length > 0 && buffer[length - 1] == '\r') length--;
            return Checked(buffer.AsSpan(0, length));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new OperationalException("OT-4035", $"The secret of {_text} cannot be read: {exception.Message}");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(buffer);
        }
    }

    private Secret ReadVariable(string name)
    {
        var value = Environment.GetEnvironmentVariable(name) ?? throw new OperationalException("OT-4035", $"The secret of {_text} cannot be read: there is no such variable.");
        var bytes = GC.AllocateArray<byte>(Encoding.UTF8.GetMaxByteCount(value.Length), pinned: true);
        try
        {
            return Checked(bytes.AsSpan(0, Encoding.UTF8.GetBytes(value, bytes)));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    private Secret Checked(ReadOnlySpan<byte> bytes) => bytes.Length is > 0 and <= MaximumBytes
        ? new Secret(bytes)
        : throw new OperationalException("OT-4035", $"The secret of {_text} has {(bytes.Length == 0 ? "no bytes" : $"more than {MaximumBytes} bytes")}.");
}
