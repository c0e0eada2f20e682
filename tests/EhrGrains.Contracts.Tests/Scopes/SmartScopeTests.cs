using CsCheck;
using EhrGrains.Contracts.Scopes;

namespace EhrGrains.Contracts.Tests.Scopes;

public sealed class SmartScopeTests
{
    private static readonly Interactions[] Single =
        [Interactions.Create, Interactions.Read, Interactions.Update, Interactions.Delete, Interactions.Search];

    [Fact]
    public void A_scope_allows_what_its_letters_say_on_its_type_and_nothing_else() =>
        Gen.Select(Gen.Int[1, 31], AnyOf("Patient", "Observation", "*"), AnyOf("Patient", "Observation", "Encounter"))
            .Sample((bits, type, asked) =>
        {
            var letters = string.Concat("cruds".Where((_, index) => (bits & (1 << index)) != 0));
            SmartScope.TryParse($"system/{type}.{letters}", out var scope).ShouldBeTrue();
            for (var index = 0; index < Single.Length; index++)
            {
                scope.Allows(asked, Single[index]).ShouldBe((bits & (1 << index)) != 0 && (type == "*" || type == asked));
            }
        });

    private static Gen<string> AnyOf(params string[] words) => Gen.Int[0, words.Length - 1].Select(index => words[index]);

    [Theory]
    [InlineData("system/Patient.read", Interactions.Read | Interactions.Search)]
    [InlineData("system/Patient.write", Interactions.Create | Interactions.Update | Interactions.Delete)]
    [InlineData(
        "system/Patient.*", Interactions.Create | Interactions.Read | Interactions.Update | Interactions.Delete | Interactions.Search)]
    public void A_scope_of_version_1_means_what_version_2_says_it_means(string text, Interactions expected)
    {
        SmartScope.TryParse(text, out var scope).ShouldBeTrue();
        scope.Interactions.ShouldBe(expected);
    }

    [Theory]
    [InlineData("system/Patient.rs?category=laboratory")]
    [InlineData("system/Patient.sr")]
    [InlineData("system/Patient.rr")]
    [InlineData("system/Patient.")]
    [InlineData("system/Patient")]
    [InlineData("system/.rs")]
    [InlineData("system/patient.rs")]
    [InlineData("patient/Patient.rs")]
    [InlineData("System/Patient.rs")]
    [InlineData("")]
    [InlineData(null)]
    public void What_is_not_understood_grants_nothing(string? text)
    {
        SmartScope.TryParse(text, out _).ShouldBeFalse();
        SmartScope.AnyAllows([text!], "Patient", Interactions.Read).ShouldBeFalse();
    }
}
