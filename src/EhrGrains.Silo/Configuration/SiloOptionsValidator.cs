using Microsoft.Extensions.Options;

namespace EhrGrains.Silo.Configuration;

/// <summary>The rules that one setting states about itself, generated from its attributes.</summary>
[OptionsValidator]
internal sealed partial class SiloOptionsValidator : IValidateOptions<SiloOptions>;
