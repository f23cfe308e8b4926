using Azure.Core;
using Orleans.Training.Grains.AzureServices;

namespace Orleans.Training.Grains.Keys;

/// <summary>The one place that opens a signer from a reference.</summary>
public static class Signers
{
    /// <summary>Opens the key; the caller disposes the signer. May wait for a token or a vault.</summary>
    /// <param name="reference">Where the key lies.</param>
    /// <param name="folder">The folder of the participant, whose files <see cref="FileKey"/> names.</param>
    /// <param name="credential">Who asks a vault; the credential of the machine unless given.</param>
    /// <exception cref="OperationalException">OT-403x: file, passphrase or PIN. OT-404x: the token refuses. OT-405x: the vault refuses.</exception>
    public static ISigner Open(KeyReference reference, KeyFolder folder, TokenCredential? credential = null) => reference switch
    {
        FileKey key => folder.OpenFile(key.Name),
        TokenKey key => Pkcs11Signer.Open(key),
        VaultKey key => KeyVaultSigner.Open(key, credential ?? MachineCredential.Create(), new KeyVaultOptions()),
        _ => throw new ArgumentException("There is no such kind of reference.", nameof(reference)),
    };
}
