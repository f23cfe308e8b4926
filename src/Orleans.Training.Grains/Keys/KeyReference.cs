using System.Text;
using System.Text.RegularExpressions;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Keys;

/// <summary>Where a key lies, as text (docs/spec/store.md §3.2). It holds no secret: PINs and passphrases are named by their places.</summary>
public abstract partial record KeyReference
{
    /// <summary>Characters of a reference.</summary>
    public const int MaximumCharacters = 2048;

    private const string FilePrefix = "file:";
    private const string TokenPrefix = "pkcs11:";
    private const string VaultPrefix = "https://";

    /// <summary>Reads a reference.</summary>
    /// <param name="text">The reference.</param>
    /// <param name="reference">What it means; null when it is none.</param>
    /// <param name="problem">What is wrong with it. Never repeats the text: somebody may have written a PIN into it.</param>
    public static bool TryParse(string text, out KeyReference? reference, out string problem)
    {
        (reference, problem) = text.Length > MaximumCharacters ? (null, $"it is longer than {MaximumCharacters} characters")
            : text.StartsWith(FilePrefix, StringComparison.Ordinal) ? File(text[FilePrefix.Length..])
            : text.StartsWith(TokenPrefix, StringComparison.Ordinal) ? TokenKey.Read(text[TokenPrefix.Length..])
            : text.StartsWith(VaultPrefix, StringComparison.Ordinal) ? Vault(text)
            : (null, "it must begin with file:, pkcs11: or https://");
        return reference is not null;
    }

    private static (KeyReference?, string) File(string name) => ParticipantId.TryParse(name, out _) ? (new FileKey(name), "") : (null, "behind file: must stand the name of a key in the same folder");

    private static (KeyReference?, string) Vault(string text)
    {
        var match = VaultForm().Match(text);
        return match.Success
            ? (new VaultKey(new Uri($"https://{match.Groups[1].ValueSpan}"), match.Groups[2].Value, match.Groups[3].Value), "")
            : (null, "a key of a vault is https://VAULT.vault.azure.net/keys/NAME/VERSION, in lower case but for NAME, with a version of 32 hexadecimal digits");
    }

    // Without a version a vault signs with whatever key is the newest: the ledger knows one.
    [GeneratedRegex(@"\Ahttps://([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?){1,8})/keys/([0-9A-Za-z-]{1,127})/([0-9a-f]{32})\z", RegexOptions.CultureInvariant)]
    private static partial Regex VaultForm();
}

/// <summary>A key file of the same folder, <c>file:NAME</c>.</summary>
/// <param name="Name">Its name, without <c>.key</c>.</param>
public sealed record FileKey(string Name) : KeyReference
{
    public override string ToString() => $"file:{Name}";
}

/// <summary>One version of a key in Azure Key Vault or Managed HSM, <c>https://VAULT.vault.azure.net/keys/NAME/VERSION</c>.</summary>
/// <param name="Vault">The vault's address.</param>
/// <param name="Name">The key.</param>
/// <param name="Version">Its version: a rotated key is another key for the ledger, registered on its own.</param>
public sealed record VaultKey(Uri Vault, string Name, string Version) : KeyReference
{
    public override string ToString() => $"https://{Vault.Host}/keys/{Name}/{Version}";
}
